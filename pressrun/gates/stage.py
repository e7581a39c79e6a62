"""The gate as a stage: reads the truth, scores candidate and champion, judges, reports."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pressrun.gates.evidence import Evidence, expected_of
from pressrun.gates.judge import verdict_of
from pressrun.gates.models import judge_models
from pressrun.gates.publish import alias_notes, champion_examples, publish
from pressrun.gates.truth import read_truth
from pressrun.gates.withdrawn import withdrawn_checks
from pressrun.lake.overrides import in_force
from pressrun.lake.retraction import Withdrawn, withdrawn, words
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.step import Step, has_synthetic_articles, run_once, settled
from pressrun.verdict import Decision, Verdict

if TYPE_CHECKING:
    from pressrun.registry import ModelRef

STAGE = "gate"
_log = logging.getLogger(__name__)


def gate(
    step: Step,
    ingested: StageResult,
    sampled: StageResult,
    labeled: StageResult,
    trained: StageResult,
    champion: ModelRef | None,
) -> StageResult:
    """Judges the trained candidate against the served champion, or against floors alone where there is none.

    The same model again is no candidate: facts {"nothing_new": True} and no verdict. `facts["rows"]` counts the truth.
    A candidate that was trained on what is withdrawn by now fails; what is withdrawn while it is judged is left out.
    """
    return settled(lambda: _attempt(step, (ingested, sampled, labeled, trained), champion))


def _attempt(step: Step, upstream: tuple[StageResult, ...], champion: ModelRef | None) -> StageResult:
    from pressrun.registry import ModelRef

    given = upstream[-1].facts.get("model")
    candidate = ModelRef.model_validate(given) if given else None
    if candidate is None or (champion is not None and champion.digest == candidate.digest):
        return run_once(
            step, stage=STAGE, inputs={"candidate": None}, section=None, work=lambda: _nothing_new(step, champion)
        )
    said = words(step.lake, step.pipeline.model)
    gone = withdrawn(step.lake, step.pipeline.model)
    return run_once(
        step,
        stage=STAGE,
        inputs={**_inputs(step, upstream, candidate, champion), "withdrawn": gone.digest},
        section=step.pipeline.gate,
        work=lambda: _gate(step, upstream, candidate, champion, gone),
        usable=_report_is_there,
        repeatable=lambda earlier: not _overridden(step, earlier.verdict, candidate, champion),
        upon=(said,),
    )


def _overridden(step: Step, verdict: Verdict | None, candidate: ModelRef, champion: ModelRef | None) -> bool:
    """Whether a person has overridden the verdict on these very models: to judge again would pass over them."""
    told = champion.digest if champion else None
    if verdict is None or (verdict.model_digest, verdict.champion_digest) != (candidate.digest, told):
        return False
    now, model = datetime.now(UTC), step.pipeline.model
    return in_force(step.lake, pipeline=model, verdict_id=verdict.verdict_id, now=now) is not None


def _report_is_there(earlier: StageResult) -> bool:
    report = earlier.facts.get("report")
    return report is None or Path(report).is_file()


def _inputs(
    step: Step, upstream: tuple[StageResult, ...], candidate: ModelRef, champion: ModelRef | None
) -> Mapping[str, DatasetRef | str | None]:
    ingested, sampled, labeled, trained = upstream
    return {
        "articles": ingested.datasets["articles"],
        "groups": sampled.datasets.get("groups"),
        "labels": labeled.datasets["all_labels"],
        "examples": trained.datasets.get("examples"),
        "candidate": f"{candidate.version}:{candidate.digest}",
        "champion": champion.digest if champion else None,
        "declines_below": str(step.pipeline.rollout.budgets.declines_below),
    }


def _nothing_new(step: Step, champion: ModelRef | None) -> StageResult:
    kept = f"champion v{champion.version} is this very model" if champion else "no model was trained"
    step.progress(f"Gate: nothing new, {kept}")
    return StageResult(stage=STAGE, step_key=str(step.key), facts={"nothing_new": True})


def _gate(
    step: Step,
    upstream: tuple[StageResult, ...],
    candidate: ModelRef,
    champion: ModelRef | None,
    gone: Withdrawn,
) -> StageResult:
    ingested, sampled, labeled, trained = upstream
    seen, notes = _examples(step, trained, champion)
    notes += alias_notes(step.environment, step.pipeline.model, champion)
    truth = read_truth(step.lake, ingested=ingested, sampled=sampled, labeled=labeled, examples=seen, gone=gone)
    if gone:
        notes += (f"Left out as withdrawn: {', '.join(map(str, gone.retractions))}.",)
    step.progress(f"Gate: {len(truth.rows)} true-labeled articles that no model has seen")
    judged = judge_models(
        step.environment,
        step.pipeline.gate,
        truth,
        candidate,
        champion,
        remedy=lambda: _remedy(step),
    )
    verdict = verdict_of(
        (*withdrawn_checks(step.lake, gone, labeled=labeled, trained=trained), *judged.checks),
        step.pipeline.gate,
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        model_version=candidate.version,
        model_digest=candidate.digest,
        champion_version=champion.version if champion else None,
        champion_digest=champion.digest if champion else None,
        dataset=str(labeled.datasets["all_labels"]),
        synthetic=has_synthetic_articles(step),
        notes=(*notes, *truth.notes, *trained.facts.get("notes", ())),
    )
    published = publish(step, verdict, judged.evidence, candidate)
    _tell(step, published)
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        verdict=published,
        facts={
            "rows": len(truth.rows),
            "trained_on": truth.trained_on,
            "report": published.report,
            "expected": _expected(step, judged.evidence),
        },
    )


def _expected(step: Step, evidence: Evidence | None) -> dict[str, Any] | None:
    """How candidate and champion differ here, which is what their canary holds readers' articles against."""
    found = expected_of(evidence, below=step.pipeline.rollout.budgets.declines_below) if evidence else None
    return found.model_dump() if found else None


def _examples(step: Step, trained: StageResult, champion: ModelRef | None) -> tuple[list[DatasetRef], tuple[str, ...]]:
    """The training rows of both models. Where the champion's are not recorded, those of every model of the pipeline."""
    own = [trained.datasets["examples"]] if "examples" in trained.datasets else []
    if champion is None:
        return own, ()
    recorded = champion_examples(step.environment, champion)
    if recorded is not None:
        return [*own, recorded], ()
    note = (
        "The champion's examples are not recorded, so truth leaves out what any model of this pipeline was trained on."
    )
    return [*own, step.lake.snapshot("examples", pipeline=step.pipeline.model)], (note,)


def _remedy(step: Step) -> str:
    """The key alone: which file and line it stands in is told by those who were given the file."""
    from pressrun.jobs import Questions, open_database

    waiting = len(
        Questions(open_database(step.environment.database)).unanswered(pipeline=step.pipeline.model, most=1000)
    )
    queue = f"Answer the queue ({waiting} waiting)" if waiting else "Raise label.audit.share"
    return f"{queue} or lower gate.min_audited."


def _tell(step: Step, verdict: Verdict) -> None:
    reason = "; ".join(check.reason for check in verdict.decisive[:3])
    line = f"Gate: {verdict.decision.value}, {reason}"
    step.progress(line)
    _log.log(logging.INFO if verdict.decision is Decision.PASS else logging.WARNING, "%s", line)
