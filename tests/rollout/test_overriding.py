"""A gate that did not pass, and a person who lets its candidate into traffic all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pressrun.alerts.render import detail, headline
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import Lake, StageResult, StepKey
from pressrun.lake.overrides import keep_override
from pressrun.rollout import NotShippable, RolloutPlan, RolloutRecord, make_plan, submit
from pressrun.rollout.changes import verdict_of
from pressrun.rollout.page import render_page
from pressrun.rollout.record import RecordStore
from pressrun.rollout.types import Phase, RolloutState
from pressrun.step import Step
from pressrun.verdict import Assertion, Decision, Override, Verdict
from tests.rollout.home import model_of

NOW = datetime.now(UTC)
KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="rollout")


@pytest.fixture
def step(pipeline: Pipeline, environment: Environment, lake: Lake) -> Step:
    return Step(key=KEY, pipeline=pipeline, environment=environment, lake=lake)


def gated(decision: Decision) -> StageResult:
    check = Assertion(metric="macro_f1", decision=decision, reason="it lost Sports")
    return StageResult(
        stage="gate", step_key="d/r/gate/-1", verdict=Verdict(kind="gate", pipeline="topics", checks=(check,))
    )


def overridden(lake: Lake, result: StageResult, *, begun: timedelta, lasting: timedelta) -> Override:
    assert result.verdict is not None
    at = NOW + begun
    made = Override(
        verdict_id=result.verdict.verdict_id, actor="ann", reason="the gold is wrong", at=at, expiry=at + lasting
    )
    keep_override(lake, made, pipeline="topics")
    return made


def planned(step: Step, tmp_path: Path, result: StageResult) -> RolloutPlan:
    trained = StageResult(stage="train", step_key="k", facts={"model": model_of(tmp_path, "4").model_dump(mode="json")})
    return make_plan(step, trained, result, None)


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INSUFFICIENT])
def test_a_gate_that_did_not_pass_ships_only_under_an_override_in_force(
    step: Step, lake: Lake, tmp_path: Path, decision: Decision
) -> None:
    result = gated(decision)
    with pytest.raises(NotShippable, match=f"said {decision.value} of topics version 4.*pressrun override"):
        planned(step, tmp_path, result)
    overridden(lake, result, begun=timedelta(hours=-3), lasting=timedelta(hours=2))
    with pytest.raises(NotShippable, match="ann's override of it has expired"):
        planned(step, tmp_path, result)
    made = overridden(lake, result, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    assert planned(step, tmp_path, result).override == made


def test_an_override_of_another_verdict_and_of_an_error_do_nothing(step: Step, lake: Lake, tmp_path: Path) -> None:
    overridden(lake, gated(Decision.FAIL), begun=timedelta(hours=-1), lasting=timedelta(days=1))
    with pytest.raises(NotShippable):
        planned(step, tmp_path, gated(Decision.FAIL))
    broken = gated(Decision.ERROR)
    overridden(lake, broken, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    with pytest.raises(NotShippable, match="error"):
        planned(step, tmp_path, broken)


def test_a_pass_needs_none_and_names_none(step: Step, lake: Lake, tmp_path: Path) -> None:
    result = gated(Decision.PASS)
    overridden(lake, result, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    assert planned(step, tmp_path, result).override is None


def test_the_canary_the_alert_and_the_page_say_who_overrode_what_and_why(
    step: Step, lake: Lake, tmp_path: Path
) -> None:
    result = gated(Decision.FAIL)
    overridden(lake, result, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    plan = planned(step, tmp_path, result)
    passed = Assertion(metric="error_rate", decision=Decision.PASS, reason="no errors")
    verdict = verdict_of(plan, RolloutState(phase=Phase.PROMOTED, since=NOW, checks=(passed,)))
    assert verdict.decision is Decision.PASS
    said = "ann overrode the gate's fail"
    assert any(said in note and "the gold is wrong" in note for note in verdict.notes)
    check = next(check for check in verdict.checks if check.metric == "gate_overridden")
    assert (check.required, check.decision) == (False, Decision.FAIL)
    for text in (headline(verdict), detail(verdict)):
        assert said in text
        assert "the gold is wrong" in text
    submit(step.environment, plan)
    record = RecordStore(step.environment).read("topics")
    assert isinstance(record, RolloutRecord)
    assert said in render_page(record).replace("&#x27;", "'")


def test_the_override_changes_nothing_of_how_the_canary_decides(step: Step, lake: Lake, tmp_path: Path) -> None:
    result = gated(Decision.FAIL)
    overridden(lake, result, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    plan = planned(step, tmp_path, result)
    for decision in Decision:
        check = Assertion(metric="error_rate", decision=decision, reason="so many errors")
        verdict = verdict_of(plan, RolloutState(phase=Phase.ROLLED_BACK, since=NOW, checks=(check,)))
        assert verdict.decision is decision
