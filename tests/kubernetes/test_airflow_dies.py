"""The whole loop with its models in a cluster, and what happens there when Airflow is no more."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from pressrun.demo.loop import follow, start_run
from pressrun.demo.neighbour import NoisyNeighbour
from pressrun.demo.places import OnKubernetes
from pressrun.demo.run import READERS_PER_SECOND
from pressrun.demo.screen import Screen
from pressrun.demo.stack import Ports, Stack, start_stack
from pressrun.demo.stock import simulated_stock
from pressrun.demo.story import SAMPLE_ROWS, Story
from pressrun.demo.traffic import Traffic
from pressrun.lake import StepKey
from pressrun.rollout import Outcome, Phase, served, status
from pressrun.step import open_lake
from tests.kubernetes.conftest import Images

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.slow,
    pytest.mark.spark,
    pytest.mark.airflow,
    pytest.mark.timeout(1200),
]
DAG = "topics_retrain"
SET_BY_THE_STACK = (
    "PRESSRUN_HOME", "PRESSRUN_CONFIG", "PRESSRUN_ENVIRONMENT", "PRESSRUN_AIRFLOW_URL", "MLFLOW_TRACKING_URI",
    "KUBECONFIG", "PRESSRUN_NAMESPACE", "PRESSRUN_GATEWAY_METRICS", "PRESSRUN_SPOOL_CLAIM", "PRESSRUN_SERVER_IMAGE",
    "PRESSRUN_CONTROLLER_IMAGE", "AIRFLOW_CONN_KUBERNETES_DEFAULT",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def place(kubeconfig: Path, gateway_url: str, metrics_url: str, images: Images, node_is_here: None) -> OnKubernetes:
    return OnKubernetes(
        {
            "KUBECONFIG": str(kubeconfig),
            "PRESSRUN_GATEWAY_URL": gateway_url,
            "PRESSRUN_GATEWAY_METRICS": metrics_url,
            "PRESSRUN_SERVER_IMAGE": images.server,
            "PRESSRUN_CONTROLLER_IMAGE": images.controller,
        }
    )


@pytest.fixture
def stack(place: OnKubernetes, node_folder: Path) -> Iterator[Stack]:
    stock = simulated_stock(articles_per_night=900)
    with pytest.MonkeyPatch.context() as patch:
        for name in SET_BY_THE_STACK:
            patch.setenv(name, os.environ.get(name, ""))
        patch.delenv("PRESSRUN_CONFIG")
        ports = Ports(airflow=free_port(), mlflow=free_port(), router=free_port())
        running = start_stack(
            home=node_folder / "demo", ports=ports, place=place, stock=stock, told=lambda name, seconds: None
        )
        try:
            yield running
        finally:
            running.services.stop()
            place.leave(running.environment)


@pytest.fixture
def story(stack: Stack) -> Iterator[Story]:
    traffic = Traffic(router_url=stack.place.readers_url(), model="topics", rate=READERS_PER_SECOND)
    screen = Screen(Console(file=io.StringIO()))
    try:
        yield Story(stack=stack, stock=simulated_stock(articles_per_night=900), screen=screen, traffic=traffic)
    finally:
        traffic.stop()


def kill_airflow(stack: Stack) -> None:
    """All of it at once, by SIGKILL: scheduler, triggerer, API server, workers."""
    root = psutil.Process(stack.services.pid_of("airflow"))
    for process in [root, *root.children(recursive=True)]:
        process.kill()


def ended(stack: Stack, generation: int, *, seconds: float) -> Outcome:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        record = status(stack.environment, "topics")
        found = [o for o in (record.outcomes if record else ()) if o.generation == generation]
        if found:
            return found[0]
        time.sleep(0.5)
    raise AssertionError(status(stack.environment, "topics"))


def test_a_candidate_that_turns_bad_after_airflow_was_killed_is_rolled_back_all_the_same(story: Story) -> None:
    stack = story.stack
    stack.airflow.wait_for_dags(DAG, "topics_drift", patience=300)
    story.first_champion()
    assert story.told["a first model becomes champion"]
    champion = served(stack.environment, "topics")
    story.stock.land(2, landing=stack.landing)
    run = start_run(stack, DAG, {"sample_rows": SAMPLE_ROWS[2]})
    follow(run, stack, story.screen, until="rollout")
    pid = story.candidate_pid(run)
    assert pid is not None, run.results
    record = status(stack.environment, "topics")
    assert record is not None
    assert record.plan is not None
    assert record.state is not None
    assert (record.state.phase, record.state.step) == (Phase.STEPPING, 0)

    kill_airflow(stack)
    failed_before = story.traffic.counts.failed
    with NoisyNeighbour(pid):
        outcome = ended(stack, record.plan.generation, seconds=120)

    assert outcome.phase is Phase.ROLLED_BACK
    assert outcome.verdict.decision.value == "fail", outcome.verdict
    assert outcome.back_seconds is not None
    assert outcome.back_seconds < 30
    assert outcome.last_words
    assert served(stack.environment, "topics") == champion
    time.sleep(3)
    after = story.traffic.counts.failed
    time.sleep(5)
    # A slow candidate answers late, and nothing fails once it is out of traffic.
    assert story.traffic.counts.failed == after
    assert after - failed_before <= outcome.traffic.requests.get("candidate", 0)
    lake = open_lake(stack.environment)
    assert lake.finished(StepKey(dag_id=DAG, run_id=run.run_id, task_id="rollout")) is None
