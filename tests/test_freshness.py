from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.freshness import judge, refreshed_at
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, open_lake, run_once
from pressrun.verdict import Decision

NOW = datetime(2026, 1, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "decision"), [(1, Decision.PASS), (24, Decision.PASS), (25, Decision.FAIL)])
def test_a_day_is_allowed(hours: int, decision: Decision) -> None:
    assert judge("topics", NOW - timedelta(hours=hours), now=NOW).decision is decision


def test_no_champion_is_no_fresh_champion() -> None:
    verdict = judge("topics", None, now=NOW)
    assert verdict.decision is Decision.FAIL
    assert "no champion yet" in verdict.checks[0].reason


@pytest.mark.parametrize(
    ("stage", "facts", "refreshes"),
    [
        ("rollout", {"promoted": True}, True),
        ("rollout", {"promoted": False}, False),
        ("gate", {"nothing_new": True}, True),
        ("gate", {}, False),
    ],
)
def test_a_promotion_or_a_night_with_nothing_new_refreshes(
    stage: str, facts: dict[str, Any], refreshes: bool, environment: Environment, pipeline: Any
) -> None:
    lake, key = open_lake(environment), StepKey(dag_id="d", run_id="r", task_id=stage)
    step = Step(key=key, pipeline=pipeline, environment=environment, lake=lake)
    done = StageResult(stage=stage, step_key=str(key), facts=facts)
    run_once(step, stage=stage, inputs={}, section=None, work=lambda: done)
    assert (refreshed_at(lake, "topics") is not None) is refreshes
