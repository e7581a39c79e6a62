"""A cluster's API that is away for a while fails nobody who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from operators import triggers
from operators.triggers import RolloutTrigger
from pressrun.config import load as config
from pressrun.config.environment import Cluster, Environment, Kubernetes
from pressrun.config.load import load_environment, load_pipeline
from pressrun.lake.types import StepKey
from pressrun.loop import _Watch
from pressrun.rollout import Vigil, records
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object, Unreachable
from pressrun.rollout.record import StaleRecord
from pressrun.step import Step, open_lake
from tests.rollout.kubernetes.plans import DEPLOY


class Away(ClusterApi):
    """A cluster's API that raises this, again and again."""

    def __init__(self, error: Exception) -> None:
        self.namespace, self.error = "news", error

    def get(self, kind: str, name: str, *, version: str = "v1") -> Object | None:
        raise self.error


@pytest.fixture
def kubernetes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    section = Kubernetes(clusters=[Cluster(name="east")], deploy=DEPLOY, controller_image="controller:1")
    place = load_environment().model_copy(update={"kubernetes": section})
    monkeypatch.setattr(config, "load_environment", lambda name=None: place)
    monkeypatch.setattr(triggers, "connect_clusters", lambda environment: None)
    before = records._connect
    yield place
    records._connected.clear()
    records._connect = before


def connected(error: Exception) -> None:
    records._connected.clear()
    records._connect = lambda place: Away(error)


def trigger(**more: Any) -> RolloutTrigger:
    return RolloutTrigger(environment=None, model="topics", step_key="d/1/t/-1", poll_seconds=0, **more)


@pytest.mark.parametrize("error", [Unreachable("the cluster's API does not answer: gone"), StaleRecord("try again")])
def test_a_trigger_waits_for_an_api_that_is_away(
    kubernetes: Environment, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(error)
    if isinstance(error, StaleRecord):
        monkeypatch.setattr("pressrun.rollout.kubernetes.alive.silence", lambda api: "")
    assert trigger()._seen() is None


def test_a_trigger_gives_up_after_its_patience_and_says_why(kubernetes: Environment) -> None:
    connected(Unreachable("the cluster's API does not answer: gone"))

    async def first() -> Any:
        async for event in trigger(patience_seconds=0).run():
            return event.payload
        return None

    event = asyncio.run(first())
    assert event["phase"] is None
    assert "cluster east: the cluster's API does not answer: gone" in event["unsupervised"]


def test_a_terminal_that_waits_says_so_and_goes_on(kubernetes: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(Unreachable("the cluster's API does not answer: gone"))
    said: list[str] = []
    step = Step(
        key=StepKey(dag_id="d", run_id="1", task_id="rollout"), pipeline=load_pipeline("topics"),
        environment=kubernetes, lake=open_lake(kubernetes), progress=lambda text, *_: said.append(text),
    )  # fmt: skip
    monkeypatch.setattr("pressrun.rollout.kubernetes.alive.silence", lambda api: "")
    _Watch(step=step, vigil=Vigil(kubernetes, "topics")).tell()
    assert said == ["the cluster's API does not answer: gone. Waiting for it"]
