"""What a stage's result says to people, in one line: the same in the terminal, in the demo and in a task's log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult

Facts = Mapping[str, Any]


def in_words(result: StageResult) -> str:
    """`250 of 1,232 articles in 4 strata; 1 near-duplicate folded into its story`, whatever stage it is of."""
    if result.facts.get("nothing_new"):
        return "nothing new"
    try:
        return _STAGES.get(result.stage, _plain)(result)
    except KeyError:  # made by a version that told less
        return _plain(result)


def seconds_by_stage(results: Iterable[StageResult]) -> str | None:
    """`ingest 1.3 s, sample 9.0 s; 10.3 s in all`: of the stages that worked in this run, else None."""
    worked = [(r.stage, r.spent.seconds) for r in results if r.spent is not None and not r.reused_from]
    if not worked:
        return None
    parts = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in worked)
    return f"{parts}; {sum(seconds for _, seconds in worked):.1f} s in all"


def _ingest(result: StageResult) -> str:
    facts = result.facts
    parts = [f"{facts['new']:,} new articles", f"{facts['known']:,} known" if facts["known"] else ""]
    parts += [_count(facts["rejects"], "row rejected", "rows rejected")]
    parts += [_count(facts["duplicates"], "repeated", "repeated")]
    return _joined(parts)


def _sample(result: StageResult) -> str:
    facts = result.facts
    drawn = f"{facts['rows']:,} of {facts['pool']:,} articles in {_count(facts['strata'], 'stratum', 'strata')}"
    folded = _count(
        facts["folded"], "near-duplicate folded into its story", "near-duplicates folded into their stories"
    )
    return _joined([drawn, folded])


def _label(result: StageResult) -> str:
    facts = result.facts
    if "labelers" not in facts:
        return f"{facts.get('labels', 0):,} labels imported"
    by = [f"{count:,} by {name}" for name, count in sorted(facts["labelers"].items(), key=lambda item: -item[1])]
    parts = [", ".join(by), f"{facts['audited']:,} audited", _count(facts["abstained"], "abstained", "abstained")]
    parts += [_count(facts["late"], "late", "late"), _count(facts["rejected"], "answer rejected", "answers rejected")]
    return _joined([*parts, f"{facts['cost_usd']:.2f} USD" if facts["cost_usd"] else ""])


def _train(result: StageResult) -> str:
    facts = result.facts
    families = "   ".join(f"{name} {score:.3f}" for name, score in facts["families"].items())
    known = f"{facts['people']:,} labels by people, {facts['machine']:,} by machines, {facts['unlabeled']:,} unlabeled"
    behind = facts["families"][facts["family"]] < max(facts["families"].values())
    doubt = ", listed first: the difference may be chance" if behind else ""
    return f"{families}   kept {facts['family']}{doubt}; {known}"


def _rollout(result: StageResult) -> str:
    facts = result.facts
    requests = sum(facts["requests"].values())
    if facts["promoted"] and not requests:
        return "the first champion: it answers all traffic"
    if facts["promoted"]:
        return f"promoted after {requests:,} requests in {facts['seconds']:.0f} s; {facts['lost']:,} lost"
    back = f" in {facts['rollback_seconds']:.1f} s" if facts["rollback_seconds"] is not None else ""
    return f"rolled back from {facts['weight']}%{back} after {requests:,} requests; {facts['lost']:,} lost"


def _gate(result: StageResult) -> str:
    return f"judged on {result.facts['rows']:,} true labels that neither model was trained on"


def _drift(result: StageResult) -> str:
    facts = result.facts
    return f"{facts['current_rows']:,} predictions now, {facts['reference_rows']:,} in the reference"


def _plain(result: StageResult) -> str:
    rows = [f"{dataset.rows:,} {name.replace('_', ' ')}" for name, dataset in result.datasets.items()]
    plain = [f"{k.replace('_', ' ')} {v}" for k, v in result.facts.items() if isinstance(v, str | int | float)]
    return ", ".join([*rows, *plain]) or "done"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""


def _joined(parts: list[str]) -> str:
    return "; ".join(part for part in parts if part)


_STAGES: Mapping[str, Callable[[StageResult], str]] = {
    "ingest": _ingest,
    "sample": _sample,
    "label": _label,
    "train": _train,
    "gate": _gate,
    "rollout": _rollout,
    "drift": _drift,
}
