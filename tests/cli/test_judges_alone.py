"""`pressrun gate` and `drift` alone: on registered models and on files, with a report where one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.cli.labeled import labeled_rows
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Gate, Pipeline, Read
from pressrun.drift.conformance import example_predictions
from pressrun.lake import Lake
from tests.cli.made import registered

LENIENT = Gate(
    min_audited=20, bootstrap=200, floors={"macro_f1": 0.6}, latency_p99_ms=60_000, max_calibration_error=1.0
)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Labeled articles as config/pipelines/topics.yaml reads them: label, title, body, no header."""
    rows = [f"{('Sports', 'Business')[n % 2]},{('goal', 'shares')[n % 2]} {n},text {n}" for n in range(60)]
    file = tmp_path / "truth.csv"
    file.write_text("\n".join([*rows, "Gardening,roses,text", ",nothing,text", "Sports,,"]) + "\n")
    return file


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    """Tiny models are calibrated and quick to no standard."""
    judging = pipeline.model_copy(update={"gate": LENIENT})
    monkeypatch.setattr("pressrun.cli.judges.pipeline_of", lambda name: judging)


@pytest.mark.usefixtures("lenient")
def test_two_registered_versions_are_judged_on_a_labeled_file(
    cli: CliRunner, environment: Environment, lake: Lake, tmp_path: Path, truth: Path
) -> None:
    for night, wrong in ((1, True), (2, False)):
        registered(environment, tmp_path, night=night, wrong=wrong)
    report = tmp_path / "gate.html"
    command = ["gate", "--candidate", "2", "--against", "1", "--truth", str(truth), "--report", str(report)]
    result = cli.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "topics v2 against v1" in result.output
    assert "3 of 63 rows of truth.csv were left out: 1 refused, 1 without a label, 1 outside" in result.output
    assert "topics v2" in report.read_text()
    worse = cli.invoke(app, ["gate", "--candidate", "1", "--against", "2", "--truth", str(truth)])
    assert worse.exit_code == 1, worse.output
    untold = cli.invoke(app, ["gate", "--candidate", "2", "--against", "1"])
    assert (untold.exit_code, "0 audited articles" in untold.output) == (3, True), untold.output
    assert lake.snapshot("verdicts", pipeline="topics").rows == 0


def test_a_version_that_is_not_registered_is_named(cli: CliRunner, truth: Path) -> None:
    result = cli.invoke(app, ["gate", "--candidate", "7", "--against", "1", "--truth", str(truth)])
    assert result.exit_code == 2
    assert "topics has no version 7 in MLflow" in result.output


@pytest.mark.usefixtures("lenient")
def test_files_of_predictions_get_a_report(cli: CliRunner, tmp_path: Path) -> None:
    import pyarrow as pa

    rows = [{"article_id": f"a{n}", "target": "ab"[n % 2], "label": "ab"[n % 2]} for n in range(60)]
    file, report = tmp_path / "said.parquet", tmp_path / "gate.html"
    pq.write_table(pa.Table.from_pylist(rows), file)
    result = cli.invoke(app, ["gate", "--predictions", str(file), "--against", str(file), "--report", str(report)])
    assert result.exit_code == 0, result.output
    assert "F1 a topic" in report.read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--predictions", "{file}", "--candidate", "4"], "--predictions or --candidate, not both"),
        (["--predictions", "{file}", "--truth", "{file}"], "--truth goes with --candidate"),
        (["--predictions", "{file}", "--against", "3"], "--against 3: there is no such file"),
        (["--truth", "{file}"], "--truth goes with --candidate"),
        (["--against", "3"], "--against goes with --candidate or --predictions"),
        (["--report", "{file}"], "--report goes with --candidate or --predictions"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    cli: CliRunner, truth: Path, options: list[str], says: str
) -> None:
    result = cli.invoke(app, ["gate", *(option.format(file=truth) for option in options)])
    assert (result.exit_code, says in result.output) == (2, True), result.output


def test_drift_alone_writes_its_report(cli: CliRunner, tmp_path: Path) -> None:
    for name, table in (("before", example_predictions(rows=20)), ("now", example_predictions(rows=20, seed=2))):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    files = ["--reference", str(tmp_path / "before.parquet"), "--current", str(tmp_path / "now.parquet")]
    report = tmp_path / "drift.html"
    result = cli.invoke(app, ["drift", *files, "--report", str(report)])
    assert result.exit_code == 3, result.output
    assert "INSUFFICIENT" in report.read_text()
    assert "--report goes with --reference" in cli.invoke(app, ["drift", "--report", str(report)]).output


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_labeled_files_of_another_format_have_our_own_names(pipeline: Pipeline, tmp_path: Path, suffix: str) -> None:
    import json

    import pyarrow as pa

    rows: list[dict[str, Any]] = [
        {"title": "a goal", "body": "text", "label": "2", "source": "wire"},
        {"title": "shares", "body": "text", "label": "Business", "source": "desk"},
    ]
    file = tmp_path / f"truth.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_text("\n".join(map(json.dumps, rows)))
    labeled = labeled_rows(file, pipeline)
    assert [(row["target"], row["source"]) for row in labeled.table.to_pylist()] == [
        ("Sports", "wire"),
        ("Business", "desk"),
    ]
    assert labeled.note is None


def test_a_file_that_cannot_be_read_is_an_error_with_the_reason(pipeline: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "truth.pdf"
    file.write_text("x")
    reading = pipeline.model_copy(update={"articles": pipeline.articles.model_copy(update={"read": Read()})})
    with pytest.raises(ValueError, match=r"truth\.pdf.*suffix"):
        labeled_rows(file, reading)
