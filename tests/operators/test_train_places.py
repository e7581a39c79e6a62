"""Train where the environment's file says: in a process of its own that ends with the task, or in a pod."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from fakes import context, deferred, event

from operators.errors import PlatformRefused
from operators.ingest import IngestOperator
from operators.train import TrainOperator
from operators.triggers import JobTrigger
from pressrun.compute import JobFailed, PlatformFailed
from pressrun.environments.process import GUARD
from tests.environments.kubelet import kubelet
from tests.fakes.pods import FakePods, fake_pods
from tests.night import Night

POD = {"resources": {"memory": "2Gi", "spot": True}, "environment": {"image": "registry.example.org/train:1"}}
PODS = {"namespace": "news", "kubernetes_conn_id": "cluster_night", "spot": {"node_selector": {"spot": "yes"}}}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePods]:
    """A cluster by Airflow's connection."""
    with fake_pods() as made:
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": made.url}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }  # fmt: skip
        signed = {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(kubeconfig)}}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER_NIGHT", json.dumps(signed))
        yield made


def files(night: Night, tmp_path: Path, **environment: Any) -> dict[str, str]:
    """The night's pipeline and environment as files, as operators name them."""
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump(night.pipeline.model_dump(mode="json")))
    told = night.environment.model_dump(mode="json") | environment
    (tmp_path / "away.yaml").write_text(yaml.safe_dump(told))
    return {"pipeline": str(tmp_path / "topics.yaml"), "environment": str(tmp_path / "away.yaml")}


def in_pod(night: Night, tmp_path: Path, *, mlflow: str = "http://127.0.0.1:9", **more: Any) -> TrainOperator:
    stages = {"stages": {"train": POD}, "pods": PODS, "mlflow": {"tracking_uri": mlflow}}
    upstream = {
        name: night.results[stage].model_dump(mode="json")
        for name, stage in (("ingested", "ingest"), ("sampled", "sample"), ("labeled", "label"))
    }
    return TrainOperator(
        task_id="train", upstream=upstream, poll_seconds=0, **files(night, tmp_path, **stages), **more
    )  # fmt: skip


@pytest.fixture
def mlflow(night: Night) -> Iterator[str]:
    """The night's MLflow, served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = night.environment.mlflow.tracking_uri
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    home = night.environment.home
    server = subprocess.Popen(
        [*command, "--backend-store-uri", store, "--artifacts-destination", str(home / "artifacts")],
        cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield _answering(f"http://127.0.0.1:{port}")
    finally:
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            process.kill()
        server.wait()


def _answering(url: str) -> str:
    deadline = time.monotonic() + 120
    while True:
        try:
            httpx.get(f"{url}/health").raise_for_status()
            return url
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.3)


@pytest.mark.slow
def test_a_pod_trains_and_the_task_hands_on_what_it_left(
    night: Night, fake: FakePods, mlflow: str, tmp_path: Path
) -> None:
    with kubelet(fake, tmp_path) as logs:
        trigger = deferred("train", in_pod(night, tmp_path, mlflow=mlflow, deferrable=True))
        deferred("train", in_pod(night, tmp_path, mlflow=mlflow, deferrable=True))  # the worker died: the next try
        trigger.poll_seconds = 0.2
        assert event(trigger) == {"state": "succeeded"}, Path(logs[0]).read_text()
    told = in_pod(night, tmp_path, mlflow=mlflow).execute_complete(context("train"), {"state": "succeeded"})
    assert told["facts"]["environment"]["image"] == "registry.example.org/train:1"
    assert told["facts"]["model"]["version"] == "2"
    assert in_pod(night, tmp_path, mlflow=mlflow).execute(context("train")) == told
    assert len(fake.created) == 1


def test_a_pod_out_of_memory_fails_the_task_for_good_and_one_whose_node_went_is_started_again(
    night: Night, fake: FakePods, tmp_path: Path
) -> None:
    operator = in_pod(night, tmp_path, deferrable=True)
    deferred("train", operator)
    fake.end(fake.created[0], "Failed", 137, reason="Terminated", message="the node is shut down")
    with pytest.raises(PlatformFailed, match="a retry helps"):
        operator.execute_complete(context("train"), event(deferred_trigger(operator)))
    deferred("train", operator)
    assert len(fake.created) == 2
    fake.end(fake.created[1], "Failed", 137, why="OOMKilled")
    with pytest.raises(PlatformRefused, match=r"OOMKilled.*Raise stages\.train\.resources\.memory"):
        operator.execute_complete(context("train"), event(deferred_trigger(operator)))


def deferred_trigger(operator: TrainOperator) -> JobTrigger:
    """The trigger that the task waits by."""
    key = "topics_retrain/manual__2026-01-02/train/-1"
    return JobTrigger(environment=operator.environment, step_key=key, stage="train", poll_seconds=0)


def test_killing_the_task_takes_the_pod_away(night: Night, fake: FakePods, tmp_path: Path) -> None:
    operator = in_pod(night, tmp_path, deferrable=True)
    trigger = deferred("train", operator)
    operator.on_kill()
    assert fake.pods == {}
    deferred("train", operator)
    asyncio.run(trigger.on_kill())
    assert fake.pods == {}


def ingest(night: Night, tmp_path: Path, **resources: Any) -> IngestOperator:
    given = files(night, tmp_path, stages={"ingest": {"resources": resources}})
    return IngestOperator(task_id="ingest", **given)


@pytest.mark.slow
def test_a_stage_with_resources_runs_in_a_process_and_hands_on_the_same(night: Night, tmp_path: Path) -> None:
    night.land(2)
    told = ingest(night, tmp_path, cpu=1, memory="2Gi").execute(context("ingest"))
    assert told["facts"]["new"] > 0
    assert ingest(night, tmp_path).execute(context("ingest")) == told


def guarded() -> list[psutil.Process]:
    """The stage's processes; other tests' servers may be children of this process, too."""
    guards = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if str(GUARD) in child.cmdline():
                guards += [child, *child.children(recursive=True)]
    return guards


@pytest.mark.slow
def test_killing_the_task_ends_its_process(night: Night, tmp_path: Path) -> None:
    night.land(2)
    operator = ingest(night, tmp_path, cpu=1)
    ended: list[Exception] = []

    def run() -> None:
        try:
            operator.execute(context("ingest"))
        except Exception as error:
            ended.append(error)

    task = threading.Thread(target=run)
    task.start()
    deadline = time.monotonic() + 60
    while not (children := guarded()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    operator.on_kill()
    task.join(timeout=30)
    (error,) = ended
    assert isinstance(error, JobFailed)
    assert "was stopped" in str(error)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
