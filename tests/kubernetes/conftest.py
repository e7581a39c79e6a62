"""A cluster, and a namespace of its own for each test. Without a cluster the tests that need one are skipped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from kubernetes import client, config

from tests.kubernetes.beside import Mlflows, faulty_image
from tests.kubernetes.incidents import TOLD, table, write_table
from tests.kubernetes.load import LoadClient
from tests.kubernetes.site import Site

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
    with fresh_namespace(kube) as name:
        yield name


@contextmanager
def fresh_namespace(kube: client.ApiClient) -> Iterator[str]:
    core, name = client.CoreV1Api(kube), f"test-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": _RESTRICTED}})
    try:
        yield name
    finally:
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


@pytest.fixture(scope="session")
def mlflow(node_is_here: None, gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflows]:
    """An MLflow at the gateway's address, which pods reach."""
    host = str(urlsplit(gateway_url).hostname)
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    server = Mlflows(home=tmp_path_factory.mktemp("mlflow"), url=f"http://{host}:{port}")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sites(
    kube: client.ApiClient, kubeconfig: Path, mlflow: Mlflows, images: Images, gateway_url: str, metrics_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Site]]:  # fmt: skip
    """Makes sites whose first champion serves; `clusters` of them, each a namespace. Keywords are fields of Site."""
    with ExitStack() as stack:

        def make(*, clusters: int = 1, **more: Any) -> Site:
            name, *others = [stack.enter_context(fresh_namespace(kube)) for _ in range(clusters)]
            site = Site(
                home=tmp_path_factory.mktemp(name), kubeconfig=kubeconfig, namespace=name, tracking_uri=mlflow.url,
                gateway_url=gateway_url, metrics_url=metrics_url, server_image=images.server,
                controller_image=images.controller, more_namespaces=others, **more,
            )  # fmt: skip
            site.install()
            site.begin()
            return site

        yield make


@pytest.fixture(scope="session")
def site(sites: Callable[..., Site]) -> Site:
    """One that many tests share, each with a rollout of its own. Each leaves a champion that answers rightly."""
    return sites()


@pytest.fixture
def load(site: Site) -> Iterator[LoadClient]:
    """Readers of the site, from before the test until after it."""
    with readers(site) as sending:
        yield sending


@contextmanager
def readers(site: Site, **more: Any) -> Iterator[LoadClient]:
    with LoadClient(url=site.gateway_url, host=site.host, **more) as sending:
        sending.wait_for(50)
        yield sending


@pytest.fixture(scope="session")
def faulty(images: Images, node_is_here: None) -> Callable[[str], str]:
    """The server's image with a fault in it, such as `crash:60`."""
    if shutil.which("buildah") is None:
        pytest.skip("images with faults are built by buildah, which is not installed")
    return cache(lambda fault: faulty_image(images.server, fault))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What readers saw of each fault."""
    if TOLD:
        terminalreporter.section("rollouts under faults, counted at the client")
        terminalreporter.write_line(table())
        write_table()


def _named(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} is not set; tests/cluster/README.md says what a cluster of your own needs")
    return found
