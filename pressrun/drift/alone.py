"""Drift without a loop around it: on two Parquet files, with a report that says the verdict, too."""

from __future__ import annotations

from pathlib import Path

from pressrun.config.pipeline import Drift
from pressrun.drift.compare import compare
from pressrun.drift.profile import Profiler, evidently_profile
from pressrun.verdict import Verdict
from pressrun.verdict.page import put_on_top, to_page


def compare_files(
    reference: Path,
    current: Path,
    *,
    policy: Drift,
    report: Path | None = None,
    profiler: Profiler = evidently_profile,
) -> Verdict:
    """`compare` on two Parquet files. `report` is where its HTML goes: the verdict, then Evidently's charts.

    With too few rows there are no charts.
    """
    from pyarrow.parquet import read_table

    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
    verdict = compare(read_table(reference), read_table(current), policy=policy, report=report, profiler=profiler)
    if report is None:
        return verdict
    named = verdict.model_copy(update={"report": str(report)})
    if verdict.report:
        put_on_top(named, report)
    else:
        report.write_text(to_page(named), encoding="utf-8")
    return named
