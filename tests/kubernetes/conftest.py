"""A cluster, and a namespace of its own for each test. Without a cluster the tests that need one are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from kubernetes import client, config

_NAMED = "PRESSRUN_TEST_KUBECONFIG"
_WHY = f"{_NAMED} names no cluster; `make test-kubernetes` brings one up"
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True, kw_only=True)
class Images:
    """Full names; the cluster has them."""

    server: str
    controller: str


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


@pytest.fixture
def node_folder(tmp_path: Path) -> Path:
    """A folder that the node's hostPath volumes see as this process does: only where the node is this machine."""
    if not os.environ.get("PRESSRUN_TEST_NODE_IS_HERE"):
        pytest.skip("the cluster's node is not this machine")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)
    return tmp_path


def _named(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} is not set; tests/cluster/README.md says what a cluster of your own needs")
    return found
