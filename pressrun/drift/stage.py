"""Drift as a stage: the prediction stream in, a verdict out, and whether a retrain should start."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pressrun.drift.compare import compare
from pressrun.drift.profile import Profiler, evidently_profile, mark_synthetic
from pressrun.drift.window import split
from pressrun.lake.retraction import Withdrawn, withdrawn
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.links import report_file
from pressrun.step import Step, has_synthetic_articles, run_once
from pressrun.verdict import Decision, Verdict
from pressrun.verdict.page import put_on_top

STAGE = "drift"
ASKED = "Asks for a retrain."
_COLUMNS = (
    "model_version",
    "model_digest",
    "arm",
    "shadow",
    "article_id",
    "input_digest",
    "at",
    "label",
    "confidence",
    "features",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cooldown:
    """After a retrain that drift asked for, drift asks for no other until `until`."""

    until: datetime | None

    def holds(self, now: datetime) -> bool:
        return self.until is not None and now < self.until


def watch(step: Step, now: datetime | None = None, *, profiler: Profiler = evidently_profile) -> StageResult:
    """Compares the served version's newest window of predictions with its first one.

    facts: `retrain` (bool), `cooldown_until` (ISO 8601 or None), `rows` of both windows. `now` defaults to the present.
    """
    moment = now or datetime.now(UTC)
    predictions = step.lake.snapshot("predictions", pipeline=step.pipeline.model)
    gone = withdrawn(step.lake, step.pipeline.model)
    return run_once(
        step,
        stage=STAGE,
        inputs={"predictions": predictions, "now": moment.isoformat(), "withdrawn": gone.digest},
        section=step.pipeline.drift,
        work=lambda: _watch(step, predictions, moment, profiler, gone),
    )


def cooldown_of(verdicts: Iterable[Verdict], length: timedelta) -> Cooldown:
    """The cooldown after the newest drift verdict that asked for a retrain."""
    asked = [verdict.at for verdict in verdicts if verdict.kind == "drift" and ASKED in verdict.notes]
    return Cooldown(until=max(asked) + length if asked else None)


def _watch(step: Step, dataset: DatasetRef, now: datetime, profiler: Profiler, gone: Withdrawn) -> StageResult:
    policy, model = step.pipeline.drift, step.pipeline.model
    predictions = gone.without_articles(step.lake.read(dataset, _COLUMNS))
    windows = split(predictions, now=now, window=policy.window)
    verdict = compare(
        windows.reference,
        windows.current,
        policy=policy,
        report=_report(step),
        profiler=profiler,
        pipeline=model,
        step_key=str(step.key),
        at=now,
        model_version=windows.model_version,
        model_digest=windows.model_digest,
        dataset=f"predictions of v{windows.model_version} since {windows.since}" if windows.since else None,
        synthetic=has_synthetic_articles(step),
    )
    if verdict.synthetic and verdict.report:
        mark_synthetic(Path(verdict.report))
    earlier = cooldown_of(_earlier(step), policy.cooldown)
    retrain = verdict.decision is Decision.FAIL and not earlier.holds(now)
    return _result(step, verdict, earlier, retrain, now, (windows.reference.num_rows, windows.current.num_rows))


def _result(
    step: Step, verdict: Verdict, earlier: Cooldown, retrain: bool, now: datetime, rows: tuple[int, int]
) -> StageResult:
    until = now + step.pipeline.drift.cooldown if retrain else earlier.until
    notes = [ASKED] if retrain else []
    if verdict.decision is Decision.FAIL and not retrain:
        notes.append(f"A retrain was asked for already; drift asks again from {until:%Y-%m-%d %H:%M} UTC on.")
    noted = verdict.model_copy(update={"notes": (*verdict.notes, *notes)})
    if noted.report and Path(noted.report).is_file():
        put_on_top(noted, Path(noted.report))
    _tell(step, noted)
    facts = {
        "retrain": retrain,
        "cooldown_until": until.isoformat() if until else None,
        "reference_rows": rows[0],
        "current_rows": rows[1],
        "report": verdict.report,
    }
    return StageResult(stage=STAGE, step_key=str(step.key), verdict=noted, facts=facts)


def _earlier(step: Step) -> list[Verdict]:
    table = step.lake.read(
        step.lake.snapshot("verdicts", pipeline=step.pipeline.model), ["kind", "verdict", "step_key"]
    )
    rows = table.to_pylist()
    return [
        Verdict.model_validate_json(row["verdict"])
        for row in rows
        if row["kind"] == "drift" and row["step_key"] != str(step.key)
    ]


def _report(step: Step) -> Path:
    return report_file(step.environment, step.pipeline.model, "drift", step_key=str(step.key))


def _tell(step: Step, verdict: Verdict) -> None:
    line = f"Drift: {verdict.decision.value}, {'; '.join(check.reason for check in verdict.decisive[:3])}"
    step.progress(line)
    _log.log(logging.INFO if verdict.decision is Decision.PASS else logging.WARNING, "%s", line)
