"""A task's context and stage results, as small as the operators need them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from operators.job import JobStageOperator
from operators.triggers import JobTrigger
from pressrun.lake.types import StageResult
from pressrun.verdict import Assertion, Decision, Verdict, VerdictKind

RUN = "manual__2026-01-02"


def context(task_id: str, *, try_number: int = 1, max_tries: int = 0, **more: Any) -> dict[str, Any]:
    """What Airflow hands to `execute`; clearing a task sets `max_tries` to its tries so far plus its retries."""
    ti = SimpleNamespace(
        dag_id="topics_retrain", run_id=RUN, task_id=task_id, map_index=-1, try_number=try_number, max_tries=max_tries
    )
    ti.xcoms = {}
    ti.xcom_push = ti.xcoms.__setitem__
    return {"ti": ti, "run_id": RUN, **more}


def deferred(task_id: str, operator: JobStageOperator) -> JobTrigger:
    """The trigger that the task waits by, as the triggerer makes it anew."""
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context(task_id))
    assert raised.value.method_name == "execute_complete"
    path, given = raised.value.trigger.serialize()
    assert path == "operators.triggers.JobTrigger"
    return JobTrigger(**given)


def event(trigger: JobTrigger) -> dict[str, Any]:
    """What the trigger fires with."""

    async def first() -> Any:
        async for one in trigger.run():
            return one.payload
        return None

    found: dict[str, Any] = asyncio.run(first())
    return found


def verdict(kind: VerdictKind, decision: Decision, reason: str = "because", **more: Any) -> Verdict:
    """A verdict of one check."""
    check = Assertion(metric="something", decision=decision, reason=reason)
    return Verdict(kind=kind, pipeline="topics", checks=(check,), **more)


def result(stage: str, judged: Verdict | None = None, **facts: Any) -> StageResult:
    """What a stage hands on."""
    key = f"topics_retrain/{RUN}/{stage}/-1"
    return StageResult(stage=stage, step_key=key, verdict=judged, facts=facts)
