"""The gate alone: on files of predictions and on two registered models, each with a report of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Gate, Pipeline
from pressrun.gates import gate_files, gate_models
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.registry import ModelRef
from pressrun.step import Step
from pressrun.verdict import Decision, Verdict
from tests.cli.made import registered

POLICY = Gate(min_audited=20, bootstrap=200, floors={"macro_f1": 0.6}, latency_p99_ms=60_000, max_calibration_error=1.0)
ROWS = 120


@pytest.fixture
def step(pipeline: Pipeline, environment: Environment, lake: Lake) -> Step:
    key = StepKey(dag_id="cli", run_id="alone", task_id="gate")
    judging = pipeline.model_copy(update={"gate": POLICY})
    return Step(key=key, pipeline=judging, environment=environment, lake=lake)


@pytest.fixture
def models(environment: Environment, tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    """A good one, and one that says the contrary."""
    return registered(environment, tmp_path, night=1), registered(environment, tmp_path, night=2, wrong=True)


def articles(rows: int = ROWS) -> list[dict[str, Any]]:
    words = {"Sports": "goal", "Business": "shares"}
    return [
        {"article_id": f"a{n}", "title": f"{words[topic]} {n}", "body": "", "target": topic}
        for n in range(rows)
        for topic in [("Sports", "Business")[n % 2]]
    ]


def check(verdict: Verdict, metric: str) -> Any:
    return next(check for check in verdict.checks if check.metric == metric)


def finished(lake: Lake, task: str, tables: dict[str, pa.Table]) -> StageResult:
    key = StepKey(dag_id="topics_retrain", run_id="night", task_id=task)
    datasets = {name: lake.commit(name, rows, key=key, pipeline="topics") for name, rows in tables.items()}
    result = StageResult(stage=task, step_key=str(key), datasets=datasets)
    return lake.finish(result, key=key, pipeline="topics", fingerprint=task)


def test_two_registered_models_are_judged_on_labeled_rows(
    step: Step, models: tuple[ModelRef, ModelRef], tmp_path: Path
) -> None:
    good, bad = models
    rows, report = pa.Table.from_pylist(articles()), tmp_path / "out" / "gate.html"
    verdict = gate_models(step, good, bad, rows=rows, report=report)
    assert verdict.decision is Decision.PASS, [one.reason for one in verdict.decisive]
    assert (verdict.model_version, verdict.champion_version) == ("1", "2")
    assert check(verdict, "macro_f1").samples == ROWS
    assert {"bundle", "latency_p99_ms"} <= {one.metric for one in verdict.checks}
    page = report.read_text()
    assert (verdict.report, "topics v1" in page, "Who is taken for whom" in page) == (str(report), True, True)
    assert gate_models(step, bad, good, rows=rows).decision is Decision.FAIL


def test_rows_that_a_model_was_trained_on_are_left_out(
    step: Step, models: tuple[ModelRef, ModelRef], lake: Lake
) -> None:
    trained = [{"example_id": f"topics:a{n}", "article_id": f"a{n}"} for n in range(30)]
    finished(lake, "train", {"examples": rows_of("examples", trained)})
    groups = [{"article_id": f"a{n}", "group_id": "a0" if n in (0, 50) else f"a{n}"} for n in range(60)]
    finished(lake, "sample", {"groups": rows_of("groups", groups)})
    verdict = gate_models(step, *models, rows=pa.Table.from_pylist(articles()))
    assert check(verdict, "macro_f1").samples == ROWS - 30 - 1
    assert any("31 true labels were left out" in note for note in verdict.notes)


def test_without_rows_the_truth_is_the_lakes(step: Step, models: tuple[ModelRef, ModelRef], lake: Lake) -> None:
    assert gate_models(step, *models).decision is Decision.INSUFFICIENT
    made = articles()
    finished(
        lake, "ingest", {"articles": rows_of("articles", [{k: v for k, v in r.items() if k != "target"} for r in made])}
    )
    labels = [
        {
            "article_id": row["article_id"],
            "labeler": labeler,
            "role": "audit",
            "labels": [row["target"]],
            "abstained": False,
        }
        for n, row in enumerate(made)
        for labeler in ["person:ann" if n < 80 else "static:wordllama"]
    ]
    finished(lake, "label", {"labels": rows_of("labels", labels)})
    verdict = gate_models(step, *models)
    assert verdict.decision is Decision.PASS, [one.reason for one in verdict.decisive]
    assert check(verdict, "macro_f1").samples == 80


def test_without_another_model_floors_alone_decide(step: Step, models: tuple[ModelRef, ModelRef]) -> None:
    rows = pa.Table.from_pylist(articles())
    assert gate_models(step, models[0], rows=rows).decision is Decision.PASS
    assert gate_models(step, models[1], rows=rows).decision is Decision.FAIL


def test_files_of_predictions_get_a_report_too(tmp_path: Path) -> None:
    said = [{**row, "label": row["target"]} for row in articles()]
    pq.write_table(pa.Table.from_pylist(said), tmp_path / "candidate.parquet")
    report = tmp_path / "gate.html"
    verdict = gate_files(tmp_path / "candidate.parquet", policy=POLICY, report=report)
    assert verdict.decision is Decision.PASS, [one.reason for one in verdict.decisive]
    assert "F1 a topic" in report.read_text()
    few = Gate(min_audited=500)
    assert gate_files(tmp_path / "candidate.parquet", policy=few, report=report).decision is Decision.INSUFFICIENT
    assert "120 audited articles, 500 needed" in report.read_text()
