"""A stage's pod in a real cluster: let in under Pod Security `restricted`, made once, told as what became of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client

from pressrun.compute import Handle, JobState, State
from pressrun.compute.platform import failure_of, make_token
from pressrun.compute.stage_pod import StageJob
from pressrun.compute.stage_pods import StagePods
from pressrun.config.stages import Pods, Resources
from tests.compute.worlds import submit
from tests.kubernetes.conftest import Images

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

TOKEN = make_token(step_key="topics_retrain/night/train/-1", inputs="i", generation=0)
SMALL = Resources(cpu=0.1, memory="128Mi")


@pytest.fixture
def platform(kube: client.ApiClient, namespace: str) -> StagePods:
    core = client.CoreV1Api(kube)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "pressrun-stage"}})
    core.patch_namespace(namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    return StagePods(Pods(namespace=namespace, pull_policy="IfNotPresent"), kube, stage="train")


def job(images: Images, *, entry: str = "pressrun.no_such_module") -> StageJob:
    return StageJob(name="topics train", entry=entry, order="", image=images.server, asked=SMALL)


def ended(platform: StagePods, handle: Handle, *, seconds: float = 300) -> JobState:
    deadline = time.monotonic() + seconds
    while not (seen := platform.state(handle)).state.ended:
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)
    return seen


def test_however_many_submit_it_there_is_one_pod_and_its_failure_is_the_jobs(
    platform: StagePods, kube: client.ApiClient, namespace: str, images: Images
) -> None:
    with ThreadPoolExecutor(4) as pool:
        handles = list(pool.map(lambda _: submit(platform, job(images), TOKEN), range(4)))
    assert len(set(map(repr, handles))) == 1
    assert [pod.metadata.name for pod in client.CoreV1Api(kube).list_namespaced_pod(namespace).items] == [TOKEN]
    failure = failure_of(ended(platform, handles[0]), platform="pods")
    assert failure is not None
    assert failure.kind == "job"


def test_a_cancelled_pod_is_gone(platform: StagePods, images: Images) -> None:
    handle = submit(platform, job(images), TOKEN)
    platform.cancel(handle)
    assert ended(platform, handle, seconds=60).state in (State.CANCELLED, State.FAILED)
