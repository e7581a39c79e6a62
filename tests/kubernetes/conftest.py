"""A cluster, and a namespace of its own for each test. Without a cluster the tests that need one are skipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from kubernetes import client, config

_CLUSTER = str(Path(__file__).parents[1] / "cluster" / "cluster")
_NAMED = "PRESSRUN_TEST_KUBECONFIG"
_WHY = f"{_NAMED} names no cluster; `make test-kubernetes` brings one up"
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True, kw_only=True)
class Images:
    """Full names; the cluster has them."""

    server: str
    controller: str


class Components:
    """The cluster's own processes, such as kube-apiserver and traefik, to stop and start."""

    def __init__(self) -> None:
        self._stopped: set[str] = set()

    def stop(self, name: str) -> None:
        subprocess.run([_CLUSTER, "stop", name], check=True)
        self._stopped.add(name)

    def start(self, name: str) -> None:
        subprocess.run([_CLUSTER, "start", name], check=True)
        self._stopped.discard(name)

    def start_all(self) -> None:
        for name in sorted(self._stopped):
            self.start(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `kubernetes` are skipped in one line."""
    if not os.environ.get(_NAMED):
        for item in items:
            if item.get_closest_marker("kubernetes"):
                item.add_marker(pytest.mark.skip(reason=_WHY))


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """What `kubectl --kubeconfig` takes."""
    return Path(os.environ[_NAMED])


@pytest.fixture(scope="session")
def kube(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """A client of the cluster, for any of the kubernetes package's APIs."""
    with config.new_client_from_config(str(kubeconfig)) as signed_in:
        yield signed_in


@pytest.fixture
def namespace(kube: client.ApiClient) -> Iterator[str]:
    """A fresh namespace that enforces restricted Pod Security, deleted after the test."""
    core, name = client.CoreV1Api(kube), f"test-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": _RESTRICTED}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="session")
def gateway_url() -> str:
    """Where requests go in; the Gateway itself is `web` in namespace `gateway`, and a route needs a host of its own."""
    return _named("PRESSRUN_TEST_GATEWAY_URL")


@pytest.fixture(scope="session")
def metrics_url() -> str:
    """The gateway's metrics, as pods reach them."""
    return _named("PRESSRUN_TEST_METRICS_URL")


@pytest.fixture(scope="session")
def images() -> Images:
    """The images under test, by `make images`."""
    server, controller = (
        os.environ.get(f"PRESSRUN_TEST_{name}_IMAGE", f"localhost/pressrun-{name.lower()}:dev")
        for name in ("SERVER", "CONTROLLER")
    )
    return Images(server=server, controller=controller)


@pytest.fixture(scope="session")
def node_is_here() -> None:
    """Skips tests that reach into the node where it is not this machine."""
    if not os.environ.get("PRESSRUN_TEST_NODE_IS_HERE"):
        pytest.skip("the cluster's node is not this machine")


@pytest.fixture
def components(node_is_here: None) -> Iterator[Components]:
    """What a test stopped is started again after it."""
    found = Components()
    yield found
    found.start_all()


@pytest.fixture
def node_folder(node_is_here: None, tmp_path: Path) -> Path:
    """A folder that the node's hostPath volumes see as this process does."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    return tmp_path


def _named(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} is not set; tests/cluster/README.md says what a cluster of your own needs")
    return found
