"""A Spark driver's pod in a real cluster: made once, found again, told as what became of it, gone when cancelled.

The whole job runs where PRESSRUN_TEST_SPARK_IMAGE names an image with Spark 4 that the cluster has.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client

from pressrun.compute import Handle, JobState, SparkJob, State
from pressrun.compute.kubernetes import KubernetesPlatform
from pressrun.compute.platform import failure_of, make_token
from pressrun.config.spark import Kubernetes, SparkResources
from tests.compute.worlds import submit
from tests.kubernetes.conftest import Images

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

TOKEN = make_token(step_key="topics_retrain/night/sample/-1", inputs="i", generation=0)
SMALL = SparkResources(driver_cores=1, driver_memory="512m", executors=1, executor_cores=1, executor_memory="512m")
_PI = "local:///opt/spark/examples/src/main/python/pi.py"


def platform(kube: client.ApiClient, namespace: str, image: str) -> KubernetesPlatform:
    """The platform with a service account that may start executors."""
    client.CoreV1Api(kube).create_namespaced_service_account(namespace, {"metadata": {"name": "pressrun-spark"}})
    things, verbs = ["pods", "configmaps", "services", "persistentvolumeclaims"], ["*"]
    rules = [{"apiGroups": [""], "resources": things, "verbs": verbs}]
    rbac = client.RbacAuthorizationV1Api(kube)
    rbac.create_namespaced_role(namespace, {"metadata": {"name": "pressrun-spark"}, "rules": rules})
    whom = [{"kind": "ServiceAccount", "name": "pressrun-spark", "namespace": namespace}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pressrun-spark"}
    rbac.create_namespaced_role_binding(
        namespace, {"metadata": {"name": "pressrun-spark"}, "subjects": whom, "roleRef": role}
    )
    place = Kubernetes(kind="kubernetes", namespace=namespace, image=image, pull_policy="IfNotPresent")
    return KubernetesPlatform(place, kube)


def job(entry: str, *arguments: str) -> SparkJob:
    return SparkJob(name="topics sample", entry=entry, arguments=arguments, resources=SMALL, labels={"stage": "sample"})


def ended(found: KubernetesPlatform, handle: Handle, *, seconds: float = 300.0) -> JobState:
    deadline = time.monotonic() + seconds
    while not (seen := found.state(handle)).state.ended:
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)
    return seen


def test_however_many_submit_it_the_cluster_has_one_driver(
    kube: client.ApiClient, namespace: str, images: Images
) -> None:
    found = platform(kube, namespace, images.server)
    with ThreadPoolExecutor(4) as pool:
        handles = list(pool.map(lambda _: submit(found, job("/nothing.py"), TOKEN), range(4)))
    assert len(set(map(repr, handles))) == 1
    pods = client.CoreV1Api(kube).list_namespaced_pod(namespace).items
    assert [pod.metadata.name for pod in pods] == [TOKEN]
    assert found.find(TOKEN) == handles[0]


def test_a_driver_that_ends_badly_is_the_jobs_failure(kube: client.ApiClient, namespace: str, images: Images) -> None:
    found = platform(kube, namespace, images.server)  # no Spark in it: its program refuses the arguments
    seen = ended(found, submit(found, job("/nothing.py"), TOKEN))
    failure = failure_of(seen, platform="kubernetes")
    assert failure is not None
    assert failure.kind == "job"
    assert TOKEN in seen.logs


def test_a_cancelled_driver_is_gone_and_told_as_cancelled(
    kube: client.ApiClient, namespace: str, images: Images
) -> None:
    found = platform(kube, namespace, images.server)
    handle = submit(found, job("/nothing.py"), TOKEN)
    found.cancel(handle)
    assert ended(found, handle, seconds=60).state in (State.CANCELLED, State.FAILED)
    found.cancel(handle)


def test_a_driver_starts_its_executors_and_succeeds(kube: client.ApiClient, namespace: str) -> None:
    image = os.environ.get("PRESSRUN_TEST_SPARK_IMAGE")
    if not image:
        pytest.skip("PRESSRUN_TEST_SPARK_IMAGE names no image with Spark")
    # Executors are Spark's pods, and keep to baseline.
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    client.CoreV1Api(kube).patch_namespace(namespace, labels)
    found = platform(kube, namespace, image)
    assert ended(found, submit(found, job(_PI, "2"), TOKEN)).state is State.SUCCEEDED
