"""The gate's task after a person has overridden its verdict: cleared, it lets the rollout begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import context, result, verdict

from operators.errors import VerdictStopped
from operators.gate import GateOperator
from pressrun.config.load import load_environment
from pressrun.lake.overrides import keep_override
from pressrun.step import open_lake
from pressrun.verdict import Decision, Override, Verdict


def gate(judged: Verdict) -> GateOperator:
    given: dict[str, Any] = {
        name: result(name).model_dump(mode="json") for name in ("ingested", "sampled", "labeled", "trained")
    }
    operator = GateOperator(task_id="gate", pipeline="topics", upstream=given)
    operator.work = lambda step: result("gate", judged)  # type: ignore[method-assign]
    return operator


def overridden(judged: Verdict, *, begun: timedelta, lasting: timedelta) -> None:
    at = datetime.now(UTC) + begun
    made = Override(verdict_id=judged.verdict_id, actor="ann", reason="the gold is wrong", at=at, expiry=at + lasting)
    keep_override(open_lake(load_environment()), made, pipeline="topics")


def test_an_override_in_force_lets_the_task_go_on_and_hands_the_verdict_on_as_it_is(
    told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    judged = verdict("gate", Decision.FAIL, "it lost Sports")
    overridden(judged, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    handed_on = gate(judged).execute(context("gate"))
    assert Verdict.model_validate(handed_on["verdict"]) == judged
    assert told == ["fail"]
    logged = capsys.readouterr().out
    assert "ann overrode the gate's fail" in logged
    assert "the gold is wrong" in logged


def test_an_expired_override_and_one_of_an_error_do_nothing(told: list[str]) -> None:
    failed, broken = verdict("gate", Decision.FAIL), verdict("gate", Decision.ERROR)
    overridden(failed, begun=timedelta(hours=-3), lasting=timedelta(hours=1))
    overridden(broken, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    for judged in (failed, broken):
        with pytest.raises(VerdictStopped):
            gate(judged).execute(context("gate"))
