"""The rollout task where no supervisor runs, and after a person has stopped its rollout."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from fakes import RUN, context, result, verdict

from operators.errors import VerdictStopped
from operators.rollout import RolloutOperator
from operators.triggers import RolloutTrigger
from pressrun.config.load import load_environment
from pressrun.lake.types import StepKey
from pressrun.rollout import NobodySupervises, status
from pressrun.rollout.supervisor import alone
from pressrun.step import open_lake
from pressrun.verdict import Decision
from tests.rollout.home import model_of

KEY = StepKey(dag_id="topics_retrain", run_id=RUN, task_id="rollout")


def rollout(folder: Path, **more: Any) -> RolloutOperator:
    trained = result("train", model=model_of(folder, "1").model_dump(mode="json"))
    gated = result("gate", verdict("gate", Decision.PASS))
    given = {name: one.model_dump(mode="json") for name, one in (("trained", trained), ("gated", gated))}
    return RolloutOperator(task_id="rollout", pipeline="topics", upstream=given, poll_seconds=0, **more)


def first_event(trigger: RolloutTrigger) -> dict[str, Any]:
    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(first())


def test_without_a_supervisor_the_task_says_so_when_it_defers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        rollout(tmp_path, deferrable=True, patience_seconds=240).execute(context("rollout"))
    logged = capsys.readouterr().out
    assert "no supervisor holds" in logged
    assert "pressrun supervise --environment laptop" in logged
    assert "Waiting 4 min" in logged
    assert deferred.value.trigger.serialize()[1]["patience_seconds"] == 240


def test_the_trigger_gives_up_after_its_patience_and_the_task_fails_with_what_to_do(tmp_path: Path) -> None:
    task = rollout(tmp_path, deferrable=True, patience_seconds=0)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context("rollout"))
    event = first_event(deferred.value.trigger)  # type: ignore[arg-type]
    assert event["phase"] is None
    with pytest.raises(NobodySupervises, match=r"pressrun supervise --environment laptop.*pressrun abort topics"):
        task.execute_complete(context("rollout"), event)
    record = status(load_environment(), "topics")
    assert record is not None
    assert record.active, "the plan is kept for the next try"


def test_a_worker_that_waits_gives_up_likewise(tmp_path: Path) -> None:
    with pytest.raises(NobodySupervises, match="pressrun supervise"):
        rollout(tmp_path, deferrable=False, patience_seconds=0).execute(context("rollout"))


def test_with_a_supervisor_the_trigger_waits_for_the_end_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = RolloutTrigger(environment=None, model="topics", step_key=str(KEY), poll_seconds=0, patience_seconds=0)
    looks = iter([None, None, "promoted"])
    monkeypatch.setattr(trigger, "_ended", lambda environment: next(looks))
    with alone(load_environment()):
        assert first_event(trigger) == {"phase": "promoted"}


def test_a_task_whose_rollout_a_person_stopped_begins_none_when_it_is_cleared(tmp_path: Path, told: list[str]) -> None:
    stopped = result("rollout", verdict("canary", Decision.INSUFFICIENT, "aborted by ann: no"))
    open_lake(load_environment()).finish(stopped, key=KEY, pipeline="topics", fingerprint="f")
    with pytest.raises(VerdictStopped, match="aborted by ann: no"):
        rollout(tmp_path, deferrable=True).execute(context("rollout"))
    assert status(load_environment(), "topics") is None
