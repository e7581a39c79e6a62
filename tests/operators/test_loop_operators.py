from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from fakes import context, result, verdict

from operators.drift import AskForRetrainOperator, DriftOperator
from operators.errors import VerdictStopped
from operators.label import LabelOperator
from operators.notifier import PressrunNotifier
from operators.rollout import RolloutOperator
from operators.triggers import PeopleTrigger, RolloutTrigger
from pressrun.labeling import Asked
from pressrun.verdict import Decision


def upstream(**results: Any) -> dict[str, Any]:
    return {name: given.model_dump(mode="json") for name, given in results.items()}


def label(**more: Any) -> LabelOperator:
    given = upstream(ingested=result("ingest"), sampled=result("sample"))
    return LabelOperator(task_id="label", pipeline="topics", upstream=given, **more)


def rollout(gated: Any = None, **more: Any) -> RolloutOperator:
    given = upstream(trained=result("train"), gated=gated or result("gate"))
    return RolloutOperator(task_id="rollout", pipeline="topics", upstream=given, **more)


def test_label_gives_its_worker_back_while_people_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=4)
    asked = Asked(waiting=3, deadline=deadline, key="topics_retrain/an earlier run/sample/-1")
    monkeypatch.setattr("pressrun.labeling.ask", lambda *a: asked, raising=False)
    with pytest.raises(TaskDeferred) as deferred:
        label(deferrable=True).execute(context("label"))
    trigger = deferred.value.trigger
    assert isinstance(trigger, PeopleTrigger)
    assert trigger.deadline == deadline.isoformat()
    assert trigger.step_key == asked.key


def test_label_that_waits_for_nobody_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressrun.labeling.ask", lambda *a: Asked(waiting=0, deadline=None), raising=False)
    monkeypatch.setattr("pressrun.labeling.collect", lambda *a: result("label", labeled=5), raising=False)
    assert label(deferrable=True).execute(context("label"))["facts"] == {"labeled": 5}


def test_people_trigger_fires_after_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter([2, 1, 0])
    trigger = PeopleTrigger(environment=None, step_key="k", deadline=None, poll_seconds=0)
    monkeypatch.setattr(trigger, "_waiting", lambda: next(left))
    assert fired(trigger) == {"waiting": 0}


def test_people_trigger_fires_at_the_deadline_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    trigger = PeopleTrigger(environment=None, step_key="k", deadline=past, poll_seconds=0)
    monkeypatch.setattr(trigger, "_waiting", lambda: 9)
    assert fired(trigger) == {"waiting": 9}


@pytest.mark.parametrize(
    "trigger",
    [
        PeopleTrigger(environment="laptop", step_key="k", deadline="2026-01-01T00:00:00+00:00", poll_seconds=3),
        RolloutTrigger(environment=None, model="topics", step_key="k", poll_seconds=3),
    ],
)
def test_triggers_come_back_from_the_database_as_they_were(trigger: PeopleTrigger | RolloutTrigger) -> None:
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    again = getattr(__import__(module, fromlist=[name]), name)(**arguments)
    assert again.serialize() == trigger.serialize()


def test_nothing_new_is_no_rollout() -> None:
    with pytest.raises(AirflowSkipException, match="Nothing new"):
        rollout(result("gate", nothing_new=True)).execute(context("rollout"))


def test_a_dry_run_leaves_traffic_alone() -> None:
    with pytest.raises(AirflowSkipException, match="Dry run"):
        rollout(judge_only="True").execute(context("rollout"))


def test_the_rollout_is_submitted_once_and_waited_for_without_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[str] = []
    monkeypatch.setattr("pressrun.rollout.served", lambda *a: None)
    monkeypatch.setattr("pressrun.rollout.make_plan", lambda step, *a: str(step.key))
    monkeypatch.setattr("pressrun.rollout.submit", lambda environment, plan: submitted.append(plan) or "1")
    with pytest.raises(TaskDeferred) as deferred:
        rollout(deferrable=True).execute(context("rollout"))
    assert isinstance(deferred.value.trigger, RolloutTrigger)
    assert submitted == ["topics_retrain/manual__2026-01-02/rollout/-1"]


def test_killing_the_waiting_task_asks_for_the_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("pressrun.rollout.abort", lambda env, model, **more: asked.append((model, more["step_key"])))
    asyncio.run(RolloutTrigger(environment=None, model="topics", step_key="k").on_kill())
    assert asked == [("topics", "k")]


def test_drift_is_told_and_is_no_failure(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    drifted = result("drift", verdict("drift", Decision.FAIL), retrain=True)
    monkeypatch.setattr("pressrun.drift.watch", lambda step: drifted, raising=False)
    handed_on = DriftOperator(task_id="watch", pipeline="topics").execute(context("watch"))
    assert handed_on["facts"]["retrain"] is True
    assert told == ["fail"]


def test_a_quiet_hour_neither_alerts_nor_fails(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    quiet = result("drift", verdict("drift", Decision.INSUFFICIENT), retrain=False)
    monkeypatch.setattr("pressrun.drift.watch", lambda step: quiet, raising=False)
    DriftOperator(task_id="watch", pipeline="topics").execute(context("watch"))
    assert told == []


def test_a_judgement_that_could_not_be_made_fails_the_watch(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    broken = result("drift", verdict("drift", Decision.ERROR))
    monkeypatch.setattr("pressrun.drift.watch", lambda step: broken, raising=False)
    with pytest.raises(VerdictStopped):
        DriftOperator(task_id="watch", pipeline="topics").execute(context("watch"))


def test_a_retrain_is_asked_for_only_when_the_verdict_asks() -> None:
    drifted = verdict("drift", Decision.FAIL)
    asks = upstream(watched=result("drift", drifted, retrain=True))
    AskForRetrainOperator(task_id="ask", pipeline="topics", upstream=asks).execute(context("ask", outlet_events={}))
    waits = upstream(watched=result("drift", drifted, retrain=False, cooldown_until="noon"))
    cools = AskForRetrainOperator(task_id="ask", pipeline="topics", upstream=waits)
    with pytest.raises(AirflowSkipException, match="cooling down until noon"):
        cools.execute(context("ask", outlet_events={}))


def test_a_crash_is_told_once_and_a_verdict_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("operators.notifier.say", lambda *a, key, thread, text: said.append(text))
    notifier = PressrunNotifier(pipeline="topics", text="train failed")
    notifier.notify(context("train", exception=RuntimeError("no space")))  # type: ignore[arg-type]
    notifier.notify(context("gate", exception=VerdictStopped("fail")))  # type: ignore[arg-type]
    assert said == ["train failed: RuntimeError: no space"]


def fired(trigger: PeopleTrigger) -> Any:
    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(first())
