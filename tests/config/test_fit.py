"""What a pipeline asks of a rollout that the environment's target cannot do is refused before a night is spent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pressrun.agreement import Expected
from pressrun.config.environment import Cluster, Deploy, Environment, Kubernetes
from pressrun.config.fit import misfits
from pressrun.config.load import load_environment
from pressrun.config.pipeline import Budgets, Pipeline, Rollout
from pressrun.config.problems import ConfigError
from pressrun.lake import Lake, StageResult, StepKey
from pressrun.registry import ModelRef
from pressrun.rollout import make_plan
from pressrun.step import Step
from pressrun.verdict import Assertion, Decision, Verdict
from tests.config.conftest import PIPELINE, Project

STEPS = "steps: [5, 25, 50, 100]"
CLUSTERS = """
kubernetes:
  clusters: [{name: north}{more}]
  controller_image: controller:1
  deploy: {server_image: server:1, fetch_image: fetch:1, tracking_uri: "http://mlflow", split: {split}}
"""

KEY = StepKey(dag_id="d", run_id="1", task_id="rollout")
CANDIDATE = ModelRef(name="topics", version="2", digest="2" * 64, run_id="r2", bundle="b2")
TRAINED = StageResult(stage="train", step_key="d/1/train/-1", facts={"model": CANDIDATE.model_dump(mode="json")})


def gated(champion: ModelRef | None, **facts: Any) -> StageResult:
    """A gate that passed the candidate beside that champion."""
    passed = Assertion(metric="macro_f1", decision=Decision.PASS, reason="as the test says")
    digest = champion.digest if champion else None
    verdict = Verdict(kind="gate", pipeline="topics", checks=(passed,), champion_digest=digest)
    return StageResult(stage="gate", step_key="d/1/gate/-1", verdict=verdict, facts=facts)


def served_by(project: Project, *, split: str, more: str = "") -> None:
    """The laptop's environment with models in clusters."""
    file = "config/environments/laptop.yaml"
    text = CLUSTERS.replace("{more}", more).replace("{split}", split)
    project.write(project.text(file) + text, file=file)


def in_clusters(environment: Environment, split: str, *names: str) -> Environment:
    deploy = Deploy.model_validate(
        {"server_image": "s", "fetch_image": "f", "tracking_uri": "http://mlflow", "split": split}
    )
    clusters = [Cluster(name=name) for name in names]
    kubernetes = Kubernetes(clusters=clusters, deploy=deploy, controller_image="c")
    return environment.model_copy(update={"kubernetes": kubernetes})


def test_a_share_above_half_is_no_step_where_replicas_divide(project: Project) -> None:
    served_by(project, split="replicas")
    line = project.spoil(STEPS, "steps: [5, 50, 51, 99, 100]")
    found = project.check()
    assert len(found) == 2
    assert found[0].startswith(f"{PIPELINE}:{line}: rollout.steps[2] is 51; laptop divides by replicas")
    assert found[1].startswith(f"{PIPELINE}:{line}: rollout.steps[3] is 99; ")
    assert found[0].endswith("take it out, or set kubernetes.deploy.split of laptop to weights.")


@pytest.mark.parametrize(("split", "steps"), [("weights", "[5, 75, 100]"), ("replicas", "[5, 25, 50, 100]")])
def test_weights_divide_as_asked_and_replicas_up_to_half(project: Project, split: str, steps: str) -> None:
    served_by(project, split=split)
    project.spoil(STEPS, f"steps: {steps}")
    assert project.check() == []


def test_without_a_cluster_any_step_will_do(project: Project) -> None:
    project.spoil(STEPS, "steps: [5, 75, 100]")
    assert project.check() == []


def test_outcomes_need_a_step_that_leaves_the_champion_readers(project: Project) -> None:
    line = project.spoil(STEPS, "steps: [100]\n  budgets: {outcomes: {clicks: 0.01}}")
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line + 1}: rollout.budgets.outcomes is a mapping; outcomes compare readers")
    assert message.endswith("add a step below 100.")


def test_outcomes_cannot_be_told_apart_by_cluster(project: Project) -> None:
    served_by(project, split="weights", more=", {name: south}")
    project.spoil(STEPS, f"{STEPS}\n  budgets: {{outcomes: {{clicks: 0.01}}}}")
    (message,) = project.check()
    assert "laptop has several clusters" in message
    assert message.endswith("take outcomes out.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("topics_g3", "an arm of the model topics may be named so"),
        ("topics_g3_baseline", "an arm of the model topics may be named so"),
        ("pressrun_controller", "the controller's own"),
        ("topics_", "no name ends with a hyphen"),
    ],
)
def test_a_model_may_not_bear_the_name_of_anothers_objects(
    name: str, said: str, environment: Environment, pipeline: Pipeline
) -> None:
    asked = pipeline.model_copy(update={"model": name})
    (found,) = misfits(asked, in_clusters(environment, "weights", "north"))
    assert found.path == ("model",)
    assert said in found.reason
    assert found.reason.endswith("give the model another name, for example news_topics")
    assert not list(misfits(asked, environment))


def test_names_that_only_look_like_it_are_fine(environment: Environment, pipeline: Pipeline) -> None:
    for name in ("topics_g", "topics_g3_news", "g3", "pressrun"):
        asked = pipeline.model_copy(update={"model": name})
        assert not list(misfits(asked, in_clusters(environment, "replicas", "north")))


def test_a_baseline_needs_a_cluster(project: Project) -> None:
    line = project.spoil(STEPS, f"{STEPS}\n  baseline: true")
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line + 1}: rollout.baseline is true; laptop serves by processes")
    served_by(project, split="weights")
    assert project.check() == []


def test_declined_answers_are_a_budget_wherever_pairs_are_compared(project: Project) -> None:
    project.spoil(STEPS, f"{STEPS}\n  budgets: {{abstention: 0.1}}")
    assert project.check() == []
    served_by(project, split="weights")
    assert project.check() == []
    line = project.spoil(STEPS, f"{STEPS}\n  shadow: 0\n  budgets: {{abstention: 0.1}}")
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line + 2}: rollout.budgets.abstention")
    assert "shadow is 0; raise it" in message


def test_pods_do_not_sign_in_by_what_everybody_may_read(project: Project) -> None:
    served_by(project, split="weights")
    file = "config/environments/laptop.yaml"
    text = (project.folder / file).read_text(encoding="utf-8")
    project.write(text.replace("http://mlflow", "http://ann:hunter22@mlflow"), file=file)
    (message,) = project.check()
    assert "kubernetes.deploy.tracking_uri" in message
    assert message.endswith("name it in deploy.secret.")


@pytest.mark.parametrize("pods", [None, "http://mlflow.news:5000"])
def test_pods_may_reach_mlflow_by_an_address_of_their_own(
    pods: str | None, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")
    if pods:
        monkeypatch.setenv("PRESSRUN_PODS_TRACKING_URI", pods)
    found = load_environment("kubernetes")
    assert found.kubernetes is not None
    assert found.kubernetes.deploy.tracking_uri == (pods or "http://mlflow")
    assert found.mlflow.tracking_uri == "http://mlflow"
    assert not found.kubernetes.deploy.secret


@pytest.mark.parametrize(
    ("asked", "arms"), [(True, ["champion", "baseline", "candidate"]), (False, ["champion", "candidate"])]
)
def test_a_baseline_that_was_asked_for_is_an_arm_of_the_plan(
    asked: bool, arms: list[str], environment: Environment, pipeline: Pipeline, lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pressrun.rollout.planning._submitted", lambda step: False)
    place = in_clusters(environment, "weights", "north")
    policy = Rollout(baseline=asked)
    step = Step(key=KEY, pipeline=pipeline.model_copy(update={"rollout": policy}), environment=place, lake=lake)
    champion = ModelRef(name="topics", version="1", digest="1" * 64, run_id="r1", bundle="b1")
    plan = make_plan(step, TRAINED, gated(champion), champion)
    assert [arm.name for arm in plan.arms] == arms
    assert all(arm.model == champion for arm in plan.arms[:-1])
    first = make_plan(step, TRAINED, gated(None), None)
    assert [arm.name for arm in first.arms] == ["candidate"]


@pytest.mark.parametrize(
    ("budget", "seen", "allowed"), [(0.1, 0.03, 0.13), (None, 0.03, None), (0.1, None, 0.1), (0.9, 0.5, 0.99)]
)
def test_a_budget_of_pairs_is_above_what_the_gate_saw(
    budget: float | None, seen: float | None, allowed: float | None, environment: Environment, pipeline: Pipeline,
    lake: Lake,
) -> None:  # fmt: skip
    champion = ModelRef(name="topics", version="1", digest="1" * 64, run_id="r1", bundle="b1")
    policy = Rollout(budgets=Budgets(disagreement=0.3, abstention=budget))
    step = Step(key=KEY, pipeline=pipeline.model_copy(update={"rollout": policy}), environment=environment, lake=lake)
    expected = {"rows": 200, "disagreement": 0.12, "abstention": seen}
    plan = make_plan(step, TRAINED, gated(champion, expected=expected), champion)
    assert plan.policy.budgets.disagreement == pytest.approx(0.42)
    assert plan.policy.budgets.abstention == (pytest.approx(allowed) if allowed else None)
    assert plan.expected == Expected.model_validate(expected)


@pytest.mark.parametrize(
    ("policy", "names", "said"),
    [
        (Rollout(steps=[60, 100]), ("north",), r"rollout.steps\[0\]: .* divides by replicas"),
        (Rollout(budgets=Budgets(outcomes={"clicks": 0.01})), ("north", "south"), "several clusters"),
    ],
)
def test_no_plan_is_made_of_what_cannot_be_rolled_out(
    policy: Rollout, names: tuple[str, ...], said: str, environment: Environment, pipeline: Pipeline, lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pressrun.rollout.planning._submitted", lambda step: False)
    place = in_clusters(environment, "replicas", *names)
    asked = pipeline.model_copy(update={"rollout": policy})
    step = Step(key=KEY, pipeline=asked, environment=place, lake=lake)
    with pytest.raises(ConfigError, match=said):
        make_plan(step, TRAINED, gated(None), None)
    fine = asked.model_copy(update={"rollout": Rollout(max_step=timedelta(minutes=1))})
    assert not list(misfits(fine, place))


@pytest.mark.parametrize(
    ("priced", "told"),
    [
        ("", True),
        ("prices: {person_hour_usd: 35}\n", False),
        ("prices: {cpu_hour_usd: 0}\n", False),
    ],
)
def test_a_months_budget_that_nothing_could_ever_use_up_is_told(project: Project, priced: str, told: bool) -> None:
    laptop = "config/environments/laptop.yaml"
    project.write(project.text(laptop) + priced, file=laptop)
    project.spoil("model: topics\n", "model: topics\nbudget_usd_month: 100\n")
    messages = project.check()
    assert bool(messages) == told
    assert all("budget_usd_month is 100; nothing" in one and "prices" in one for one in messages), messages


def test_tokens_have_a_price_without_any_in_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    llm = "- {labeler: llm, model: 'openai:gpt-5-mini', prompt: config/prompts/topics.md}"
    text = project.text().replace("model: topics\n", "model: topics\nbudget_usd_month: 100\n")
    project.write(text.replace("- {labeler: static, accept_above: 0.80}", llm))
    assert [one for one in project.check() if "budget_usd_month" in one] == []
