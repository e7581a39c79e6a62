"""Drift alone: two Parquet files in, a verdict and a report that says it out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.config.pipeline import Drift
from pressrun.drift import compare_files
from pressrun.drift.conformance import example_predictions
from pressrun.drift.profile import Profile
from pressrun.drift.window import Window
from pressrun.verdict import Decision


def still(reference: Window, current: Window, *, report: Path | None) -> Profile:
    """Evidently's part without Evidently."""
    if report is not None:
        report.write_text("<!DOCTYPE html>\n<html><head></head><BODY class='x'><p>charts</p></BODY></html>")
    return Profile(distances={"tokens": 0.02}, drifted=())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Predictions before, of the same kind now, and with one topic grown."""
    tables = (example_predictions(seed=1), example_predictions(seed=2), example_predictions(seed=2, world=0.6))
    for number, table in enumerate(tables):
        pq.write_table(table, tmp_path / f"{number}.parquet")
    return tmp_path / "0.parquet", tmp_path / "1.parquet", tmp_path / "2.parquet"


@pytest.mark.parametrize(("now", "decision"), [(1, Decision.PASS), (2, Decision.FAIL)])
def test_the_report_says_the_verdict_before_the_charts(
    files: tuple[Path, Path, Path], tmp_path: Path, now: int, decision: Decision
) -> None:
    report = tmp_path / "out" / "drift.html"
    verdict = compare_files(files[0], files[now], policy=Drift(), report=report, profiler=still)
    assert (verdict.decision, verdict.report) == (decision, str(report))
    page = report.read_text()
    assert page.index(decision.value.upper()) < page.index("charts")
    assert page.index("topic_share_change") < page.index("charts")
    assert page.startswith("<!DOCTYPE html>")


def test_too_little_traffic_has_a_report_that_says_so(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pq.write_table(example_predictions(rows=12), tmp_path / "few.parquet")
    report = tmp_path / "drift.html"
    verdict = compare_files(files[0], tmp_path / "few.parquet", policy=Drift(), report=report, profiler=still)
    assert (verdict.decision, verdict.report) == (Decision.INSUFFICIENT, str(report))
    page = report.read_text()
    assert "12 predictions in the current window, 200 needed" in page
    assert "<!doctype html>" in page


def test_words_of_the_files_stay_words(tmp_path: Path) -> None:
    table = example_predictions(seed=1)
    hostile = table.set_column(table.column_names.index("label"), "label", [["<script>alert(1)</script>"] * len(table)])
    pq.write_table(pa.table(hostile), tmp_path / "a.parquet")
    report = tmp_path / "drift.html"
    compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet", policy=Drift(), report=report, profiler=still)
    assert "<script>alert" not in report.read_text()


def test_without_a_report_nothing_is_written(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert compare_files(files[0], files[1], policy=Drift(), profiler=still).report is None
    assert set(tmp_path.iterdir()) == before
