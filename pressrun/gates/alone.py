"""The gate without a loop around it: on two files of predictions, or on two registered models. Keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pressrun.config.pipeline import Gate
from pressrun.gates.evidence import Evidence, evidence_of
from pressrun.gates.judge import judge, too_few, verdict_of
from pressrun.gates.models import judge_models
from pressrun.gates.publish import champion_examples
from pressrun.gates.report import to_html
from pressrun.gates.truth import COLUMNS, PROVENANCE, Truth, read_truth, trained_on, unseen
from pressrun.lake.lake import Lake
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.step import Step
from pressrun.verdict import Verdict

if TYPE_CHECKING:
    from pressrun.registry import ModelRef


def gate_files(candidate: Path, champion: Path | None = None, *, policy: Gate, report: Path | None = None) -> Verdict:
    """`judge_predictions` on Parquet files; `report` is where its HTML goes."""
    from pyarrow.parquet import read_table

    own, other = read_table(candidate), read_table(champion) if champion else None
    if not own.num_rows:
        return _reported(verdict_of((too_few(0, policy),), policy, pipeline="alone"), None, report)
    evidence = evidence_of(own, other)
    return _reported(verdict_of(judge(evidence, policy), policy, pipeline="alone"), evidence, report)


def gate_models(
    step: Step,
    candidate: ModelRef,
    champion: ModelRef | None = None,
    *,
    rows: pa.Table | None = None,
    report: Path | None = None,
    notes: Iterable[str] = (),
) -> Verdict:
    """Judges two registered models by the pipeline's policy; without a champion, by floors alone.

    `rows` are labeled articles (article_id, title, body, target; perhaps group_id, source, section and language); None
    means the true labels in the lake. What either model was trained on is left out, as in the loop.
    """
    models = [candidate, champion] if champion else [candidate]
    seen, unknown = _examples(step, models)
    truth = _truth_of_lake(step, seen) if rows is None else _truth_of_rows(step, rows, seen)
    policy = step.pipeline.gate
    judged = judge_models(step.environment, policy, truth, candidate, champion)
    verdict = verdict_of(
        judged.checks,
        policy,
        pipeline=step.pipeline.model,
        model_version=candidate.version,
        model_digest=candidate.digest,
        champion_version=champion.version if champion else None,
        champion_digest=champion.digest if champion else None,
        dataset="the lake's true labels" if rows is None else f"{rows.num_rows} labeled rows",
        synthetic=truth.synthetic,
        notes=(*unknown, *truth.notes, *notes),
    )
    return _reported(verdict, judged.evidence, report)


def _reported(verdict: Verdict, evidence: Evidence | None, report: Path | None) -> Verdict:
    if report is None:
        return verdict
    named = verdict.model_copy(update={"report": str(report)})
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(to_html(named, evidence), encoding="utf-8")
    return named


def _examples(step: Step, models: Iterable[ModelRef]) -> tuple[list[DatasetRef], tuple[str, ...]]:
    """What the models were trained on; where that is not recorded of one, what any of the pipeline was."""
    found = [champion_examples(step.environment, model) for model in models]
    known = [dataset for dataset in found if dataset is not None]
    if len(known) == len(found):
        return known, ()
    note = "What a model was trained on is not recorded, so what any model of this pipeline was trained on is left out."
    return [*known, step.lake.snapshot("examples", pipeline=step.pipeline.model)], (note,)


def _truth_of_lake(step: Step, seen: Iterable[DatasetRef]) -> Truth:
    """The truth of everything that the lake knows now."""
    lake, model = step.lake, step.pipeline.model
    groups = _groups(lake, model)
    return read_truth(
        lake,
        ingested=_result(articles=lake.snapshot("articles", pipeline=model)),
        sampled=_result(groups=groups) if groups else _result(),
        labeled=_result(all_labels=lake.snapshot("labels", pipeline=model)),
        examples=seen,
    )


def _truth_of_rows(step: Step, rows: pa.Table, seen: Iterable[DatasetRef]) -> Truth:
    dataset = _groups(step.lake, step.pipeline.model)
    known = step.lake.read(dataset, ["article_id", "group_id"]).to_pylist() if dataset else []
    groups = {row["article_id"]: row["group_id"] for row in known}
    given = {row["article_id"]: row for row in rows.to_pylist()}
    kept = unseen(given, trained_on(step.lake, seen), groups)
    return Truth(
        rows=tuple(_row(given[article], groups) for article in sorted(kept)),
        trained_on=len(given) - len(kept),
        oracle=False,
        synthetic=any(row.get(name) == "synthetic" for row in given.values() for name in PROVENANCE),
    )


def _row(row: Mapping[str, Any], groups: Mapping[str, str]) -> dict[str, Any]:
    article = row["article_id"]
    group = row.get("group_id") or groups.get(article, article)
    return {**{name: row.get(name) for name in COLUMNS}, "target": row["target"], "group_id": group}


def _groups(lake: Lake, pipeline: str) -> DatasetRef | None:
    """The newest near-duplicate groups that a night has found."""
    found = (result.datasets.get("groups") for result in lake.results(pipeline))
    return next((dataset for dataset in found if dataset is not None and dataset.rows), None)


def _result(**datasets: DatasetRef) -> StageResult:
    return StageResult(stage="gate", step_key="alone", datasets=datasets)
