"""A stage as a pod: what it asks the cluster for, that there is one of it, and what its end means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pressrun.compute import ConfigurationFailed, Handle, NeedsPlatform, PlatformFailed, State
from pressrun.compute.connect import open_platform
from pressrun.compute.order import make_order
from pressrun.compute.platform import failure_of
from pressrun.compute.run import StepJob, run_elsewhere
from pressrun.compute.stage_pod import packed, unpacked
from pressrun.compute.stage_pods import StagePods
from pressrun.config.environment import Environment, Mlflow
from pressrun.config.pipeline import Pipeline
from pressrun.lake import Lake
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, run_once
from tests.fakes.pods import FakePods, fake_pods

KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="train")
UPSTREAM = [
    StageResult(stage=name, step_key=f"topics_retrain/night/{name}/-1") for name in ("ingest", "sample", "label")
]
IMAGE = f"registry.example.org/newsroom/train@sha256:{'0' * 64}"
STAGES = {"train": {"resources": {"cpu": 4, "memory": "16Gi", "gpu": 1, "spot": True}, "environment": {"image": IMAGE}}}
TAINT = {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
PODS = {
    "namespace": "news",
    "node_selector": {"pool": "training"},
    "spot": {"node_selector": {"eks.amazonaws.com/capacityType": "SPOT"}, "tolerations": [TAINT]},
    "secret": "mlflow",
    "labels": {"team": "newsroom"},
}


@pytest.fixture
def fake() -> Iterator[FakePods]:
    with fake_pods() as made:
        yield made


@pytest.fixture
def away(environment: Environment) -> Environment:
    given = environment.model_dump(mode="json") | {"stages": STAGES, "pods": PODS}
    return Environment.model_validate(given | {"mlflow": {"tracking_uri": "http://ann:hush-hush@mlflow:5000"}})


@pytest.fixture
def step(away: Environment, pipeline: Pipeline, lake: Lake) -> Step:
    return Step(key=KEY, pipeline=pipeline, environment=away, lake=lake)


def job(step: Step, fake: FakePods) -> StepJob:
    assert step.environment.pods is not None
    platform = StagePods(step.environment.pods, fake.client(), stage="train")
    return StepJob.of(step, stage="train", upstream=UPSTREAM, platform=platform)


def only(fake: FakePods) -> dict[str, Any]:
    (pod,) = fake.pods.values()
    return pod


def test_the_pod_asks_for_what_the_file_says_and_keeps_to_restricted(step: Step, fake: FakePods) -> None:
    job(step, fake).attach()
    spec = only(fake)["spec"]
    (container,) = spec["containers"]
    assert container["image"] == IMAGE
    assert container["resources"] == {
        "requests": {"cpu": "4000m", "memory": "16Gi"},
        "limits": {"memory": "16Gi", "nvidia.com/gpu": "1"},
    }
    assert spec["nodeSelector"] == {"pool": "training", "eks.amazonaws.com/capacityType": "SPOT"}
    assert spec["tolerations"] == [TAINT]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow"}}]
    assert {"name": "OMP_NUM_THREADS", "value": "4"} in container["env"]
    assert only(fake)["metadata"]["labels"]["team"] == "newsroom"


def test_the_pod_is_told_the_whole_order_and_no_secret(step: Step, fake: FakePods) -> None:
    job(step, fake).attach()
    told = {one["name"]: one["value"] for one in only(fake)["spec"]["containers"][0]["env"]}
    order = unpacked(told["PRESSRUN_ORDER"])
    assert (order.stage, order.key, order.upstream) == ("train", KEY, tuple(UPSTREAM))
    assert "hush-hush" not in order.model_dump_json()
    there = Environment.model_validate(order.environment)
    assert there.mlflow == Mlflow(tracking_uri="http://mlflow:5000")
    assert there.stages == step.environment.stages
    assert there.database.startswith("sqlite:")


def test_an_order_that_no_pod_can_be_given_is_refused(step: Step) -> None:
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    long = StageResult(stage="label", step_key="k", facts={"noise": noise})
    order = make_order(step, stage="train", upstream=[long], fence=0, token="t")
    with pytest.raises(ConfigurationFailed, match="name a lock instead"):
        packed(order)


def test_a_retry_goes_on_with_the_same_pod(step: Step, fake: FakePods) -> None:
    first, second = job(step, fake).attach(), job(step, fake).attach()
    assert first.token == second.token
    assert len(fake.created) == 1


def test_another_image_is_another_job(step: Step, fake: FakePods) -> None:
    one = job(step, fake)
    place = step.environment.stages.model_dump(mode="json")
    place["train"]["environment"]["image"] = "registry.example.org/newsroom/train:2"
    other = step.environment.model_copy(update={"stages": type(step.environment.stages).model_validate(place)})
    assert one.inputs != job(Step(key=KEY, pipeline=step.pipeline, environment=other, lake=step.lake), fake).inputs


ENDS = {
    "memory": (
        {"code": 137, "why": "OOMKilled"},
        ConfigurationFailed,
        r"OOMKilled.*Raise stages\.train\.resources\.memory",
    ),
    "spot": (
        {
            "code": 137,
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}],
        },
        PlatformFailed,
        "a retry helps",
    ),
    "evicted": ({"code": 137, "reason": "Evicted", "message": "node was low"}, PlatformFailed, "a retry helps"),
    "shutdown": ({"code": 137, "reason": "Terminated", "message": "node shutdown"}, PlatformFailed, "a retry helps"),
}


@pytest.mark.parametrize(("status", "kind", "words"), ENDS.values(), ids=ENDS)
def test_its_end_says_whether_a_retry_helps(
    step: Step, fake: FakePods, status: dict[str, Any], kind: type[Exception], words: str
) -> None:
    one = job(step, fake)
    entered = one.attach()
    fake.end(entered.token, "Failed", **status)
    assert entered.handle is not None
    failure = failure_of(one.jobs.platform.state(Handle(**entered.handle)), platform="pods")
    assert isinstance(failure, kind)
    assert re.search(words, str(failure))


def test_a_pod_whose_spot_node_went_away_is_followed_by_another(step: Step, fake: FakePods) -> None:
    entered = job(step, fake).attach()
    fake.end(entered.token, "Failed", 137, reason="Terminated", message="node shutdown")
    again = job(step, fake).attach()
    assert again.generation == 1
    assert len(fake.created) == 2


def test_the_pod_of_an_ended_job_stays_for_a_day_and_goes_with_the_next_job(step: Step, fake: FakePods) -> None:
    made = job(step, fake)
    made.attach()
    (name,) = fake.pods
    fake.end(name, "Failed", code=1)
    last = made.jobs.ledger.newest(made.key)
    assert last is not None
    ended = made.jobs.look(last)
    assert ended.ended_at is not None
    made.jobs.tidy(ended.ended_at + timedelta(hours=23))
    assert name in fake.pods
    made.jobs.tidy(ended.ended_at + timedelta(hours=25))
    made.jobs.tidy(ended.ended_at + timedelta(hours=26))
    assert name not in fake.pods
    fake.troubles["DELETE"] = ["expired"]
    assert made.jobs.tidy(ended.ended_at + timedelta(hours=27)) == 1


def test_cancelling_takes_the_pod_away(step: Step, fake: FakePods) -> None:
    one = job(step, fake)
    entered = one.attach()
    one.jobs.cancel(one.key)
    assert fake.pods == {}
    assert one.jobs.look(entered).state == State.CANCELLED


def test_work_begins_in_no_process_but_the_pods(step: Step, fake: FakePods) -> None:
    began: list[Step] = []

    def work(there: Step) -> StageResult:
        def body() -> StageResult:
            began.append(there)
            return StageResult(stage="train", step_key=str(KEY), facts={"family": "svm"})

        return run_once(there, stage="train", inputs={}, section={}, work=body)

    with pytest.raises(NeedsPlatform):
        work(step)
    assert began == []
    placed = replace(step, placed=f"image {IMAGE}")
    made = work(placed)
    assert made.facts["environment"]["image"] == IMAGE
    # Who waited for it finds it done.
    assert run_elsewhere(lambda: job(step, fake), lambda: work(step)).facts == made.facts
    assert fake.created == []


def test_the_environments_platform_for_the_stage_is_its_pods(away: Environment, fake: FakePods) -> None:
    class Clients:
        def kubernetes(self, place: Any) -> Any:
            assert place is away.pods
            return fake.client()

    assert open_platform(away, Clients(), stage="train").name == "pods"  # type: ignore[arg-type]
    assert open_platform(away, stage="sample").name == "local"
