"""What befalls a cluster in the middle of a rollout: evictions, kills, and parts of the control plane gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from kubernetes import client

from pressrun.rollout.kubernetes.cluster import Unreachable
from pressrun.rollout.types import CANDIDATE, Phase
from tests.kubernetes.beside import Mlflows, kill_container
from tests.kubernetes.conftest import Components
from tests.kubernetes.incidents import incident
from tests.kubernetes.load import LoadClient
from tests.kubernetes.site import LONG, Site

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

LEASE = {"kind": "Lease", "name": "pressrun-controller", "version": "coordination.k8s.io/v1"}


def evict(kube: client.ApiClient, namespace: str, pod: str) -> None:
    """As a drained node does; the PodDisruptionBudget may refuse."""
    body = {"metadata": {"name": pod, "namespace": namespace}}
    client.CoreV1Api(kube).create_namespaced_pod_eviction(pod, namespace, body)


def names(site: Site, generation: int) -> list[str]:
    return [pod["metadata"]["name"] for pod in site.pods(generation)]


def ready(pod: dict) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])


def test_evictions_of_both_arms_cost_no_request(site: Site, load: LoadClient, kube: client.ApiClient) -> None:
    old, since = site.champion, time.time()
    step = site.roll(site.model(), policy=LONG)
    record = site.weighs(20)
    champion, candidate = record.champion_generation, record.plan.generation
    evict(kube, site.namespace, names(site, champion)[0])
    evict(kube, site.namespace, names(site, candidate)[0])
    site.weighs(0, seconds=15)
    outcome = site.ended(step)
    found = incident(
        load, fault="eviction of a pod of each arm", end=outcome.phase.value, moves=site.moves(candidate),
        champion=old.version, since=since,
    )  # fmt: skip
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, (found, site.story())


def test_a_killed_server_of_the_candidate_is_a_crash(site: Site, load: LoadClient, node_is_here: None) -> None:
    since = time.time()
    step = site.roll(site.model(), policy=LONG)
    generation = site.weighs(20).plan.generation
    load.wait_for(100)
    kill_container(site.pods(generation)[0], "server")
    outcome = site.ended(step)
    load.wait_for(150)
    found = incident(
        load, fault="kill -9 of the candidate's server", end="rolled back", moves=site.moves(generation),
        champion=site.champion.version, since=since, bad=lambda r: r.failed, which="first failure to weight 0",
    )  # fmt: skip
    assert outcome.phase is Phase.ROLLED_BACK, site.story()
    assert (found.on_champion, found.after) == (0, 0), (found, site.story())
    assert found.seconds is None or found.seconds <= 30, found


def test_a_champions_server_is_killed_and_restarts_though_mlflow_is_away(
    site: Site, load: LoadClient, mlflow: Mlflows, node_is_here: None
) -> None:
    old, since = site.champion, time.time()
    step = site.roll(site.model(), policy=LONG)
    record = site.weighs(20)
    pod = site.pods(record.champion_generation)[0]
    mlflow.stop()
    try:
        killed_at = time.time()
        kill_container(pod, "server")
        site.until(lambda _: restarted(site, pod["metadata"]["name"]), seconds=60)
    finally:
        mlflow.start()
    outcome = site.ended(step)
    failures = [request.at for request in load.requests if request.failed and request.at >= since]
    lasted = max(failures, default=killed_at) - killed_at
    found = incident(
        load, fault="kill -9 of one of the champion's two servers, MLflow away", end=outcome.phase.value,
        moves=site.moves(record.plan.generation), champion=old.version, since=since, seconds=lasted,
        which="kill to the last failure",
    )  # fmt: skip
    assert outcome.phase is Phase.PROMOTED, site.story()
    # The killed server had two fifths of the requests; the gateway sends them there until it hears of its end.
    assert found.failed <= 0.4 * load.rate * 5, found
    assert lasted < 5, found


def restarted(site: Site, name: str) -> bool:
    pod = site.api.get("Pod", name)
    assert pod is not None
    server = next(c for c in pod["status"]["containerStatuses"] if c["name"] == "server")
    return server["restartCount"] >= 1 and ready(pod)


def test_the_api_server_is_away_for_half_a_minute(site: Site, load: LoadClient, components: Components) -> None:
    old, since = site.champion, time.time()
    step = site.roll(site.model(), policy=LONG)
    generation = site.weighs(20).plan.generation
    components.stop("kube-apiserver")
    time.sleep(30)
    components.start("kube-apiserver")
    back_at = time.time()
    answering(site)
    outcome = site.ended(step)
    found = incident(
        load, fault="API server down for 30 s", end=outcome.phase.value, moves=site.moves(generation),
        champion=old.version, since=since, seconds=time.time() - back_at, which="its return to the promotion",
    )  # fmt: skip
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, (found, site.story())


def answering(site: Site) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            site.record()
            return
        except Unreachable:
            time.sleep(0.5)
    raise AssertionError("the API server did not come back")


@contextmanager
def second_controller(site: Site) -> Iterator[str]:
    """Another controller of the namespace, outside of the cluster; where it answers."""
    command = [sys.executable, "-m", "pressrun.rollout.kubernetes", "--namespace", site.namespace, "--port", "18790"]
    environment = {**os.environ, "KUBECONFIG": str(site.kubeconfig), "POD_NAME": "second"}
    with open(Path(site.home) / "second.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield "http://127.0.0.1:18790"
    finally:
        process.terminate()
        process.wait(20)


def has_acted(url: str) -> bool:
    """A controller that ever ticked a model knows whom to shadow."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return urlopen(f"{url}/v1/models/topics/shadow", timeout=5).read() != b"{}"
        except URLError:
            time.sleep(0.3)
    raise AssertionError("the second controller did not start")


def holder(site: Site) -> str:
    lease = site.api.get(**LEASE)
    assert lease is not None
    return str(lease["spec"]["holderIdentity"])


def test_the_next_controller_goes_on_with_the_same_evidence(
    site: Site, load: LoadClient, kube: client.ApiClient
) -> None:
    old, new, since = site.champion, site.model(), time.time()
    step = site.roll(new, policy=LONG.model_copy(update={"min_requests": 400}))
    generation, first = site.weighs(20).plan.generation, holder(site)
    with second_controller(site) as url:
        load.wait_for(300)
        assert not has_acted(url)
        assert holder(site) == first
    killed_at = time.time()
    client.CoreV1Api(kube).delete_namespaced_pod(first, site.namespace, grace_period_seconds=0)
    site.until(lambda r: holder(site) != first, seconds=90)
    before = counted(site)
    record = site.until(lambda r: r.traffic.requests.get(CANDIDATE, 0) > before, seconds=60)
    taken_over = time.time() - killed_at
    assert record.state.weights[CANDIDATE] == 20
    # Every request is in the evidence once, but for those since the last reading: a second or two of ten a second.
    began = site.moves(generation)[-1][0]
    answered = load.between(began).by_version[new.version]
    assert answered - 40 <= record.traffic.requests[CANDIDATE] <= answered, (answered, record.traffic)
    outcome = site.ended(step)
    found = incident(
        load, fault="the controller killed", end=outcome.phase.value, moves=site.moves(generation),
        champion=old.version, since=since, seconds=taken_over, which="kill to the next one's first evidence",
    )  # fmt: skip
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, (found, site.story())


def counted(site: Site) -> int:
    record = site.record()
    assert record is not None
    return record.traffic.requests.get(CANDIDATE, 0)
