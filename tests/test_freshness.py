from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.freshness import Freshness, check_freshness, judge, refreshed_at
from pressrun.gates import gate
from pressrun.lake.types import StageResult, StepKey
from pressrun.registry import ModelRef
from pressrun.step import Step, open_lake, run_once
from pressrun.verdict import Decision
from pressrun.verdict.policy import policy_digest
from tests.night import STAGES, Night

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


def test_the_gate_of_a_night_with_nothing_new_refreshes(night: Night) -> None:
    lake, made = open_lake(night.environment), night.results
    assert refreshed_at(lake, "topics") is None
    champion = ModelRef.model_validate(made["train"].facts["model"])
    step = night.step("gate", "night-2")
    assert gate(step, *(made[name] for name in STAGES[:-1]), champion=champion).facts["nothing_new"]
    found = refreshed_at(lake, "topics")
    assert found is not None
    assert abs(datetime.now(UTC) - found) < timedelta(hours=1)


def test_the_verdict_names_its_policy_and_the_steps_it_was_found_in(environment: Environment, pipeline: Any) -> None:
    lake, key = open_lake(environment), StepKey(dag_id="topics_freshness", run_id="r", task_id="fresh_champion")
    step = Step(key=key, pipeline=pipeline, environment=environment, lake=lake)
    steps = str(lake.snapshot("steps", pipeline="topics"))
    verdict = check_freshness(step, NOW).verdict
    assert verdict is not None
    assert verdict.policy_digest == policy_digest(Freshness(deadline=pipeline.fresh_by))
    assert verdict.policy_digest != policy_digest(Freshness(deadline=pipeline.fresh_by, allowed=timedelta(hours=1)))
    assert (verdict.dataset, verdict.step_key) == (steps, str(key))
