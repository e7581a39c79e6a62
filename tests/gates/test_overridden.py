"""A gate's verdict that a person has overridden stands, however often the gate is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Gate, Pipeline
from pressrun.gates import gate
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.lake.overrides import keep_override
from pressrun.step import Step
from pressrun.verdict import Decision, Override
from tests.cli.made import registered

KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="gate")


@pytest.fixture
def upstream(environment: Environment, lake: Lake, tmp_path: Path) -> list[StageResult]:
    """What the stages before the gate made: nothing that it could judge a model by."""
    model = registered(environment, tmp_path, night=1)
    made: dict[str, dict[str, Any]] = {
        "ingest": {"articles": "articles"},
        "sample": {"groups": "groups"},
        "label": {"all_labels": "labels"},
        "train": {"examples": "examples"},
    }
    found = []
    for task, tables in made.items():
        key = KEY.model_copy(update={"task_id": task})
        datasets = {
            name: lake.commit(table, rows_of(table, []), key=key, pipeline="topics") for name, table in tables.items()
        }
        facts = {"model": model.model_dump(mode="json")} if task == "train" else {}
        found.append(StageResult(stage=task, step_key=str(key), datasets=datasets, facts=facts))
    return found


def test_an_overridden_verdict_is_not_judged_again_until_the_override_has_expired(
    pipeline: Pipeline, environment: Environment, lake: Lake, upstream: list[StageResult]
) -> None:
    judging = pipeline.model_copy(update={"gate": Gate(latency_p99_ms=60_000)})

    def judged(asked: str) -> Any:
        step = Step(key=KEY, pipeline=judging, environment=environment, lake=lake, asked=asked)
        return gate(step, *upstream, None).verdict

    def overridden(verdict_id: str, *, begun: timedelta, lasting: timedelta) -> None:
        at = datetime.now(UTC) + begun
        made = Override(verdict_id=verdict_id, actor="ann", reason="known better", at=at, expiry=at + lasting)
        keep_override(lake, made, pipeline="topics")

    first = judged("")
    assert first.decision is Decision.INSUFFICIENT
    overridden(first.verdict_id, begun=timedelta(hours=-3), lasting=timedelta(hours=1))
    second = judged("the first clear")
    assert second.verdict_id != first.verdict_id, "an expired override does nothing"
    overridden(second.verdict_id, begun=timedelta(hours=-1), lasting=timedelta(days=1))
    assert judged("the second clear") == second
