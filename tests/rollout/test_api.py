"""Plans, ends and aliases of rollouts, by the record alone: no supervisor runs here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pressrun.config.environment import Environment, Mlflow
from pressrun.config.pipeline import Pipeline, Rollout
from pressrun.lake.types import StageResult, StepKey
from pressrun.registry import ModelRef, RegistryError, aliased_digests
from pressrun.rollout import NotShippable, Phase, RolloutRecord, finish, make_plan, reconcile_aliases, served, submit
from pressrun.rollout.changes import ended
from pressrun.rollout.page import render_page
from pressrun.rollout.record import RecordStore
from pressrun.step import Step, open_lake
from pressrun.verdict import Assertion, Decision, Verdict
from pressrun.verdict.policy import policy_digest
from tests.night import Night
from tests.rollout.home import model_of, plan_of

NOW = datetime(2026, 1, 5, 3, tzinfo=UTC)
PASSED = Assertion(metric="error_rate", decision=Decision.PASS, reason="no errors")


def end(environment: Environment, phase: Phase) -> RolloutRecord:
    """The record once the supervisor has brought the rollout under way to this end."""

    def change(record: RolloutRecord) -> RolloutRecord:
        assert record.plan is not None
        assert record.state is not None
        state = record.state.model_copy(update={"phase": phase, "checks": (PASSED,)})
        champion = record.plan.candidate if phase is Phase.PROMOTED else record.champion
        return ended(record.model_copy(update={"state": state, "champion": champion}), NOW)

    return RecordStore(environment).update("topics", change)


def test_the_canarys_verdict_names_its_policy_and_the_predictions_it_judged(
    environment: Environment, tmp_path: Path
) -> None:
    old, new = model_of(tmp_path, "1"), model_of(tmp_path, "2")
    submit(environment, plan_of("d/1/t/-1", new, old))
    verdict = end(environment, Phase.PROMOTED).outcomes[-1].verdict
    assert verdict.dataset == "predictions of topics in rollout generation 1"
    assert verdict.policy_digest == policy_digest(plan_of("d/1/t/-1", new, old).policy)
    assert verdict.policy_digest != policy_digest(Rollout())
    assert not verdict.synthetic


def gated(*, synthetic: bool, decision: Decision = Decision.PASS) -> StageResult:
    check = Assertion(metric="macro_f1", decision=decision, reason="as the test says")
    verdict = Verdict(kind="gate", pipeline="topics", checks=(check,), synthetic=synthetic)
    return StageResult(stage="gate", step_key="d/1/gate/-1", verdict=verdict)


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_rollout_of_a_model_from_synthetic_articles_says_so(
    synthetic: bool, environment: Environment, pipeline: Pipeline, tmp_path: Path
) -> None:
    key = StepKey(dag_id="d", run_id="1", task_id="rollout")
    step = Step(key=key, pipeline=pipeline, environment=environment, lake=open_lake(environment))
    facts = {"model": model_of(tmp_path, "1").model_dump(mode="json")}
    trained = StageResult(stage="train", step_key="d/1/train/-1", facts=facts)
    submit(environment, make_plan(step, trained, gated(synthetic=synthetic), None))
    record = end(environment, Phase.PROMOTED)
    assert record.outcomes[-1].verdict.synthetic is synthetic
    assert ("synthetic articles" in render_page(record)) is synthetic
    with pytest.raises(NotShippable, match="the gate said fail"):
        make_plan(step, trained, gated(synthetic=synthetic, decision=Decision.FAIL), None)


def test_a_gate_that_compared_with_another_champion_must_judge_again_but_a_retry_finds_its_rollout(
    environment: Environment, pipeline: Pipeline, tmp_path: Path
) -> None:
    first, second = model_of(tmp_path, "1"), model_of(tmp_path, "2")
    lake = open_lake(environment)

    def step(run: str) -> Step:
        key = StepKey(dag_id="d", run_id=run, task_id="rollout")
        return Step(key=key, pipeline=pipeline, environment=environment, lake=lake)

    def trained(model: ModelRef) -> StageResult:
        return StageResult(stage="train", step_key="d/1/train/-1", facts={"model": model.model_dump(mode="json")})

    submit(environment, make_plan(step("1"), trained(first), gated(synthetic=False), None))
    end(environment, Phase.PROMOTED)
    again = make_plan(step("1"), trained(first), gated(synthetic=False), first)
    assert submit(environment, again) == "1"
    with pytest.raises(NotShippable, match="compared with no champion, and v1 serves now: clear the gate's task"):
        make_plan(step("2"), trained(second), gated(synthetic=False), first)


@pytest.fixture
def promoted(night: Night) -> Night:
    """A night whose candidate the router serves."""
    submit(night.environment, make_plan(night.step("rollout"), night.results["train"], night.results["gate"], None))
    end(night.environment, Phase.PROMOTED)
    return night


def finished(night: Night, environment: Environment) -> StageResult:
    return finish(night.step("rollout", environment=environment), night.results["train"], night.results["gate"])


def test_after_the_promotion_mlflows_champion_is_what_is_served(promoted: Night) -> None:
    result = finished(promoted, promoted.environment)
    champion = served(promoted.environment, "topics")
    assert champion is not None
    assert aliased_digests(promoted.environment, "topics") == {"champion": champion.digest}
    assert result.verdict is not None
    assert (result.verdict.notes, result.verdict.synthetic) == ((), True)


def test_an_mlflow_that_is_away_undoes_no_promotion_and_the_aliases_follow_later(promoted: Night) -> None:
    away = promoted.environment.model_copy(update={"mlflow": Mlflow(tracking_uri="http://127.0.0.1:9")})
    result = finished(promoted, away)
    assert result.facts["promoted"]
    assert result.verdict is not None
    assert "MLflow's aliases do not follow yet" in result.verdict.notes[-1]
    with pytest.raises(RegistryError):
        reconcile_aliases(away, "topics")
    assert reconcile_aliases(promoted.environment, "topics") == ("champion none → v1", "candidate v1 → none")
    assert reconcile_aliases(promoted.environment, "topics") == ()


def test_without_a_champion_aliases_are_left_alone(night: Night) -> None:
    before = aliased_digests(night.environment, "topics")
    assert reconcile_aliases(night.environment, "topics") == ()
    assert aliased_digests(night.environment, "topics") == before


def test_a_rollout_that_went_back_leaves_its_model_the_candidate(night: Night, tmp_path: Path) -> None:
    champion = ModelRef.model_validate(night.results["train"].facts["model"])
    submit(night.environment, plan_of("d/0/rollout/-1", champion, None))
    end(night.environment, Phase.PROMOTED)
    worse = night.pipeline.train.model_copy(update={"self_training": False})
    changed = night.pipeline.model_copy(update={"train": worse})
    trained = Night(environment=night.environment, pipeline=changed, results=night.results)
    for name in ("ingest", "sample", "label", "train"):
        made = trained.run(name, "night-2")
    assert aliased_digests(night.environment, "topics") == {"candidate": made.facts["model"]["digest"]}
    gate = night.results["gate"]
    assert gate.verdict is not None
    against = gate.verdict.model_copy(update={"champion_digest": champion.digest, "champion_version": "1"})
    judged = gate.model_copy(update={"verdict": against})
    submit(night.environment, make_plan(night.step("rollout", "night-2"), made, judged, champion))
    end(night.environment, Phase.ROLLED_BACK)
    finish(night.step("rollout", "night-2"), made, night.results["gate"])
    assert aliased_digests(night.environment, "topics") == {
        "champion": champion.digest,
        "candidate": made.facts["model"]["digest"],
    }
