"""Where the demo's models are served and its lake is: this machine, perhaps a bucket on it, or a Kubernetes cluster."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from pressrun.buckets import BucketServer, command
from pressrun.buckets.servers import Kind, free_port
from pressrun.config.environment import Environment
from pressrun.demo.preflight import PreflightError
from pressrun.demo.services import Service, ServiceError, answers
from pressrun.links import rollout_url
from pressrun.rollout import RolloutRecord

HOST = "127.0.0.1"
NAMESPACE = "pressrun-demo"
LAPTOP, S3, GCS, KUBERNETES = "laptop", "s3", "gcs", "kubernetes"
PLACES = (LAPTOP, S3, GCS, KUBERNETES)
BUCKET = "pressrun"
_IMAGES = ("PRESSRUN_SERVER_IMAGE", "PRESSRUN_CONTROLLER_IMAGE")
_HOW = "make demo ENVIRONMENT=kubernetes brings a cluster up and says all of this"


class Place(Protocol):
    """What differs between the places."""

    name: str
    host: str

    def settings(self, home: Path) -> Mapping[str, str]:
        """Environment variables of every process of the stack."""

    def services(self, home: Path) -> Sequence[Service]:
        """The processes beside MLflow and Airflow."""

    def prepare(self, environment: Environment, home: Path) -> None:
        """What must be there before the first rollout."""

    def readers_url(self) -> str:
        """Where readers' requests go."""

    def rollout_address(self, environment: Environment, model: str) -> str:
        """The page of the model's rollout."""

    def candidate_pid(self, record: RolloutRecord) -> int | None:
        """The process of the candidate's server, once there is one."""

    def leave(self, environment: Environment) -> str:
        """Removes what outlives the processes; says in words what it could not, else nothing."""


class Laptop:
    """A supervisor with its router, on the loopback address."""

    name, host = LAPTOP, HOST

    def __init__(self, *, port: int) -> None:
        self._port = port

    def settings(self, home: Path) -> Mapping[str, str]:
        return {"PRESSRUN_ROUTER_PORT": str(self._port)}

    def services(self, home: Path) -> Sequence[Service]:
        command = [sys.executable, "-m", "pressrun.cli", "supervise"]
        return [Service(name="router", command=command, ready=answers(f"{self.readers_url()}/healthz"))]

    def prepare(self, environment: Environment, home: Path) -> None:
        return

    def readers_url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def rollout_address(self, environment: Environment, model: str) -> str:
        return f"{self.readers_url()}/rollouts/{model}"

    def candidate_pid(self, record: RolloutRecord) -> int | None:
        # A handle's arm is the one its server was started for: the champion once was a candidate, too.
        generation = record.plan.generation if record.plan else None
        return next((handle.pid for handle in record.handles if handle.generation == generation), None)

    def leave(self, environment: Environment) -> str:
        return ""


class InBucket(Laptop):
    """The same, with the lake in a bucket of a server on this machine; the server keeps it in memory."""

    def __init__(self, kind: Kind, *, port: int) -> None:
        super().__init__(port=port)
        self.name, self._kind, self._server_port = kind, kind, free_port()
        self._server = BucketServer(kind=kind, endpoint=f"http://{HOST}:{self._server_port}")

    def settings(self, home: Path) -> Mapping[str, str]:
        lake = f"{self._server.scheme}://{BUCKET}/lake"
        return {**super().settings(home), **self._server.environment, "PRESSRUN_LAKE": lake}

    def services(self, home: Path) -> Sequence[Service]:
        """The bucket comes before what writes to it, and is ended after it."""
        served = Service(
            name=self._kind,
            command=command(self._kind, self._server_port, bucket=BUCKET),
            ready=lambda: self._server.has_bucket(BUCKET),
        )
        return [served, *super().services(home)]

    def leave(self, environment: Environment) -> str:
        return f"The lake, {environment.lake.root}, was in the memory of its server and is gone with it."


class OnKubernetes:
    """A controller in a namespace of the cluster that the environment variables name; readers come by its gateway.

    Raises PreflightError when a variable is missing.
    """

    name = KUBERNETES

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._kubeconfig = _given(variables, "KUBECONFIG")
        self._gateway = _given(variables, "PRESSRUN_GATEWAY_URL")
        self._metrics = _given(variables, "PRESSRUN_GATEWAY_METRICS")
        self._images = {
            name: _given(variables, name) for name in ("PRESSRUN_SERVER_IMAGE", "PRESSRUN_CONTROLLER_IMAGE")
        }
        # Pods reach this machine where its gateway listens for them.
        self.host = str(urlsplit(self._gateway).hostname)

    def settings(self, home: Path) -> Mapping[str, str]:
        connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": self._kubeconfig}}
        return {
            **self._images,
            "KUBECONFIG": self._kubeconfig,
            "PRESSRUN_NAMESPACE": NAMESPACE,
            "PRESSRUN_GATEWAY_METRICS": self._metrics,
            "PRESSRUN_SPOOL_CLAIM": NAMESPACE,
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
        }

    def services(self, home: Path) -> Sequence[Service]:
        _spool(home)
        command = [sys.executable, "-m", "pressrun.cli", "ship", str(home / "spool")]
        return [Service(name="predictions", command=command, ready=lambda: True)]

    def prepare(self, environment: Environment, home: Path) -> None:
        from pressrun.demo.namespace import make_namespace

        make_namespace(environment, NAMESPACE, spool=_spool(home))

    def readers_url(self) -> str:
        return self._gateway

    def rollout_address(self, environment: Environment, model: str) -> str:
        return rollout_url(environment, model)

    def candidate_pid(self, record: RolloutRecord) -> int | None:
        """Found among this machine's processes: the demo's cluster has its node here."""
        if record.plan is None:
            return None
        wanted = ("pressrun.serving", "--generation", str(record.plan.generation))
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if all(part in command for part in wanted):
                return int(process.pid)
        return None

    def leave(self, environment: Environment) -> str:
        from pressrun.demo.namespace import remove_namespace
        from pressrun.rollout.kubernetes.cluster import Refused, Unreachable

        try:
            remove_namespace(environment, NAMESPACE)
        except (Unreachable, Refused, ServiceError) as error:
            return f"{error}. What is left there goes with: kubectl delete namespace {NAMESPACE}"
        return ""


def place_of(name: str, *, router_port: int) -> Place:
    """The place of that name. Raises PreflightError for another one."""
    if name not in PLACES:
        raise PreflightError(f"the demo runs in the environments {', '.join(PLACES)}, not in {name!r}: name one")
    if name == KUBERNETES:
        return OnKubernetes()
    return Laptop(port=router_port) if name == LAPTOP else InBucket("s3" if name == S3 else "gcs", port=router_port)


def _spool(home: Path) -> Path:
    """Servers in pods are users of no rights here, and write to it all the same."""
    spool = home / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    spool.chmod(0o1777)
    return spool


def _given(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise PreflightError(f"{name} is not set: {_HOW}")
    return value
