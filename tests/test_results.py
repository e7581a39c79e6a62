"""What results say to people."""

from __future__ import annotations

from pressrun.lake import StageResult
from pressrun.lake.types import Spent
from pressrun.results import seconds_by_stage


def result(stage: str, seconds: float | None, reused_from: str | None = None) -> StageResult:
    spent = None if seconds is None else Spent(seconds=seconds, cpu_seconds=0.0)
    return StageResult(stage=stage, step_key=f"dag/run/{stage}/-1", spent=spent, reused_from=reused_from)


def test_a_run_says_where_its_seconds_went() -> None:
    run = [
        result("ingest", 1.26),
        result("sample", 9.0),
        result("label", 3.0, reused_from="before"),
        result("gate", None),
    ]
    assert seconds_by_stage(run) == "ingest 1.3 s, sample 9.0 s; 10.3 s in all"
    assert seconds_by_stage(run[2:]) is None
