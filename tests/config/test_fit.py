"""What a pipeline asks of a rollout that the environment's target cannot do is refused before a night is spent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pressrun.config.environment import Cluster, Deploy, Environment, Kubernetes
from pressrun.config.fit import misfits
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
    monkeypatch.setattr("pressrun.rollout.api._submitted", lambda step: False)
    place = in_clusters(environment, "replicas", *names)
    asked = pipeline.model_copy(update={"rollout": policy})
    key = StepKey(dag_id="d", run_id="1", task_id="rollout")
    step = Step(key=key, pipeline=asked, environment=place, lake=lake)
    model = ModelRef(name="topics", version="2", digest="2" * 64, run_id="r2", bundle="b2")
    passed = Assertion(metric="macro_f1", decision=Decision.PASS, reason="as the test says")
    verdict = Verdict(kind="gate", pipeline="topics", checks=(passed,))
    trained = StageResult(stage="train", step_key="d/1/train/-1", facts={"model": model.model_dump(mode="json")})
    gated = StageResult(stage="gate", step_key="d/1/gate/-1", verdict=verdict)
    with pytest.raises(ConfigError, match=said):
        make_plan(step, trained, gated, None)
    fine = asked.model_copy(update={"rollout": Rollout(max_step=timedelta(minutes=1))})
    assert not list(misfits(fine, place))
