"""A newsroom's serving in a real cluster: MLflow beside it, the controller in it, readers at its gateway."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np

from pressrun.bundle import write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.config.environment import (
    Cluster,
    Deploy,
    Environment,
    Gateway,
    GatewayMetrics,
    Kubernetes,
    LakeRoot,
    Mlflow,
)
from pressrun.config.pipeline import Budgets, Rollout
from pressrun.registry import ModelRef, register
from pressrun.rollout import Outcome, RolloutPlan, RolloutRecord, outcome, status, submit
from pressrun.rollout.kubernetes.cluster import ClusterApi
from pressrun.rollout.kubernetes.install import controller_objects
from pressrun.rollout.records import api_of
from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm

LABELS = ["Sports", "Business"]
POLICY = Rollout(
    steps=[20, 50, 100], min_requests=40, max_step=timedelta(seconds=120), bake=timedelta(seconds=8), shadow=0.5,
    budgets=Budgets(error_rate=0.02, latency_ratio=3.0, latency_floor_ms=20.0),
)  # fmt: skip


@dataclass
class Site:
    """One namespace of the cluster, and what is registered for it."""

    home: Path
    kubeconfig: Path
    namespace: str
    tracking_uri: str
    gateway_url: str
    metrics_url: str
    server_image: str
    controller_image: str
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        metrics = GatewayMetrics(url=self.metrics_url)
        deploy = Deploy(
            server_image=self.server_image, fetch_image=self.controller_image, pull_policy="Never",
            tracking_uri=self.tracking_uri, replicas=2, cpu="50m", memory="256Mi",
            gateway=Gateway(name="web", namespace="gateway", hostnames=[self.host], metrics=metrics),
        )  # fmt: skip
        cluster = Cluster(name="here", kubeconfig=self.kubeconfig, namespace=self.namespace)
        self.environment = Environment(
            name="kubernetes", home=self.home, lake=LakeRoot(root=str(self.home / "lake")),
            database=f"sqlite:///{self.home}/pressrun.db", landing=str(self.home / "landing"),
            mlflow=Mlflow(tracking_uri=self.tracking_uri),
            kubernetes=Kubernetes(clusters=[cluster], deploy=deploy, controller_image=self.controller_image),
        )  # fmt: skip

    @property
    def host(self) -> str:
        """Tests share the gateway: each has a name of its own."""
        return f"{self.namespace}.example"

    @property
    def api(self) -> ClusterApi:
        assert self.environment.kubernetes is not None
        return api_of(self.environment.kubernetes.clusters[0])

    def install(self) -> None:
        for body in controller_objects(self.namespace, self.controller_image, pull_policy="Never"):
            self.api.apply(body)

    def model(self, *, wrong: bool = False, slope: float = 2.0) -> ModelRef:
        """A newly registered version; `wrong` says the other topic."""
        tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
        weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32) * (-1 if wrong else 1)
        linear = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
        folder = self.home / "bundles" / f"{time.monotonic_ns()}"
        bundle = write_bundle(folder, name="topics", labels=LABELS, steps=[tfidf], model=linear, slope=slope)
        run_id = self._run()
        return register(
            self.environment, name=f"topics_{self.namespace.replace('-', '_')}", step_key=folder.name, run_id=run_id,
            bundle=folder, digest=bundle.digest,
        )  # fmt: skip

    def _run(self) -> str:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.tracking_uri)
        return str(client.create_run("0").info.run_id)

    def plan(
        self, step: str, candidate: ModelRef, champion: ModelRef | None, *, policy: Rollout = POLICY,
        image: str | None = None,
    ) -> RolloutPlan:  # fmt: skip
        assert self.environment.kubernetes is not None
        deploy = self.environment.kubernetes.deploy
        if image:
            deploy = deploy.model_copy(update={"server_image": image})
        arms = [Arm(name=CHAMPION, model=champion)] if champion else []
        return RolloutPlan(
            model="topics", pipeline="topics", step_key=step, policy=policy, deploy=deploy, replicas=deploy.replicas,
            arms=(*arms, Arm(name=CANDIDATE, model=candidate)), start_within=timedelta(seconds=60),
            unready_within=timedelta(seconds=20),
        )  # fmt: skip

    def submit(self, plan: RolloutPlan) -> None:
        submit(self.environment, plan)

    def record(self) -> RolloutRecord | None:
        return status(self.environment, "topics")

    def ended(self, step: str, *, seconds: float = 180.0) -> Outcome:
        self.until(lambda record: outcome(self.environment, "topics", step), seconds=seconds)
        found = outcome(self.environment, "topics", step)
        assert found is not None
        return found

    def until(self, holds: Callable[[RolloutRecord], object], *, seconds: float = 120.0) -> RolloutRecord:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            record = self.record()
            if record is not None and holds(record):
                return record
            time.sleep(0.25)
        raise AssertionError(f"not within {seconds} s:\n{self.story()}")

    def story(self) -> str:
        record = self.record()
        lines = [f"{e.at:%H:%M:%S} {e.generation} {e.kind}: {e.text}" for e in record.history] if record else []
        pods = self.api.find("Pod", {})
        lines += [f"{p['metadata']['name']} {p['status'].get('phase')}" for p in pods]
        for pod in pods:
            if pod["metadata"]["name"].startswith("pressrun-controller"):
                lines.append(self.api.logs(pod["metadata"]["name"], "controller", lines=40))
        return "\n".join(lines)


def faulty_image(server: str, fault: str, *, tool: str = "buildah --storage-driver overlay") -> str:
    """The server's image with a fault such as `crash:60`, built and handed to the cluster."""
    name = f"localhost/pressrun-faulty:{fault.replace(':', '-')}"
    here = Path(__file__).parent / "faulty"
    build = [*tool.split(), "bud", "-q", "--isolation", "chroot", "--pull-never", "-t", name]
    subprocess.run(
        [*build, "--build-arg", f"SERVER={server}", "--build-arg", f"FAULT={fault}", str(here)],
        check=True, capture_output=True,
    )  # fmt: skip
    cluster = Path(__file__).parents[1] / "cluster" / "cluster"
    subprocess.run([str(cluster), "load", name], check=True, capture_output=True)
    return name


@dataclass
class Mlflows:
    """A real MLflow that pods reach by the host's address in the cluster; it can be stopped and started."""

    home: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        at = urlsplit(self.url)
        options = [
            "--host", str(at.hostname), "--port", str(at.port), "--backend-store-uri", f"sqlite:///{self.home}/mlflow.db",
            "--artifacts-destination", str(self.home / "artifacts"), "--workers", "1", "--allowed-hosts", "*",
        ]  # fmt: skip
        with open(self.home / "mlflow.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *options], stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if urlopen(f"{self.url}/health", timeout=2).status == 200:
                    return
            except OSError:
                time.sleep(0.3)
        raise AssertionError((self.home / "mlflow.log").read_text()[-2000:])

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, 15)
            self.process.wait(20)
            self.process = None
