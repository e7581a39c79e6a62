"""A rollout from the command line: what it waits for, and what it does not do twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pressrun import loop
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import Lake, StageResult, StepKey
from pressrun.lake.overrides import keep_override
from pressrun.loop import run_stage, stage
from pressrun.rollout import NobodySupervises, NotShippable, status
from pressrun.step import Step
from pressrun.verdict import Assertion, Decision, Override, Verdict
from tests.rollout.home import Home, model_of, with_ports

KEY = StepKey(dag_id="cli", run_id="one", task_id="rollout")


def finished(lake: Lake, task: str, verdict: Verdict | None = None, **facts: object) -> None:
    """A step of the run that is done."""
    key = KEY.model_copy(update={"task_id": task})
    result = StageResult(stage=task, step_key=str(key), verdict=verdict, facts=facts)
    lake.finish(result, key=key, pipeline="topics", fingerprint=task)


def judged(kind: str, decision: Decision, reason: str = "because") -> Verdict:
    check = Assertion(metric="something", decision=decision, reason=reason)
    return Verdict(kind=kind, pipeline="topics", checks=(check,))  # type: ignore[arg-type]


@pytest.fixture
def gated(lake: Lake, tmp_path: Path) -> None:
    """A trained candidate that its gate has passed."""
    finished(lake, "train", model=model_of(tmp_path, "1").model_dump(mode="json"))
    finished(lake, "gate", judged("gate", Decision.PASS))


@pytest.mark.usefixtures("gated")
def test_without_a_supervisor_a_rollout_says_what_is_missing_and_gives_up(
    pipeline: Pipeline, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(loop, "PATIENCE", timedelta())
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.0)
    with pytest.raises(NobodySupervises, match="pressrun supervise --environment test"):
        run_stage(
            "rollout", pipeline=pipeline, environment=environment, dag_id="cli", run_id="one",
            progress=lambda message, done=0, total=None: told.append(message),
        )  # fmt: skip
    assert len(told) == 1
    assert "no supervisor holds" in told[0]
    record = status(environment, "topics")
    assert record is not None
    assert record.active


@pytest.mark.usefixtures("gated")
def test_a_rollout_that_a_person_stopped_is_begun_again_only_when_somebody_asks(
    pipeline: Pipeline, environment: Environment, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(lake, "rollout", judged("canary", Decision.INSUFFICIENT, "aborted by ann: no"), promoted=False)
    result = run_stage("rollout", pipeline=pipeline, environment=environment, dag_id="cli", run_id="one")
    assert result.verdict is not None
    assert result.verdict.decision is Decision.INSUFFICIENT
    assert status(environment, "topics") is None
    asked = Step(key=KEY, pipeline=pipeline, environment=environment, lake=lake, asked="typed again")
    before = (lake.finished(KEY.model_copy(update={"task_id": name})) for name in ("train", "gate"))
    monkeypatch.setattr(loop, "PATIENCE", timedelta())
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.0)
    with pytest.raises(NobodySupervises):
        stage("rollout")(asked, *before)
    record = status(environment, "topics")
    assert record is not None
    assert record.active


def test_an_overridden_gate_lets_its_model_into_traffic_and_the_verdict_says_so(
    pipeline: Pipeline, environment: Environment, lake: Lake, tmp_path: Path
) -> None:
    failed = judged("gate", Decision.FAIL, "it lost Sports")
    finished(lake, "train", model=model_of(tmp_path, "1").model_dump(mode="json"))
    finished(lake, "gate", failed)
    home = Home(with_ports(environment))

    def rolled_out() -> StageResult:
        return run_stage("rollout", pipeline=pipeline, environment=home.environment, dag_id="cli", run_id="one")

    with pytest.raises(NotShippable, match="pressrun override"):
        rolled_out()
    at = datetime.now(UTC)
    made = Override(
        verdict_id=failed.verdict_id, actor="ann", reason="the gold is wrong", at=at, expiry=at + timedelta(hours=1)
    )
    keep_override(lake, made, pipeline="topics")
    home.supervise()
    try:
        verdict = rolled_out().verdict
    finally:
        home.close()
    assert verdict is not None
    assert verdict.decision is Decision.PASS
    assert any("ann overrode the gate's fail" in note and "the gold is wrong" in note for note in verdict.notes)
    assert lake.finished(KEY.model_copy(update={"task_id": "gate"})).verdict == failed  # type: ignore[union-attr]
