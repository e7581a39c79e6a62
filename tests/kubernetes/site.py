"""A newsroom's serving in a real cluster: MLflow beside it, the controller in it, readers at its gateway."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

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
from pressrun.rollout import Outcome, RolloutPlan, RolloutRecord, outcome, served, status, submit
from pressrun.rollout.api import carry_on
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.install import controller_objects
from pressrun.rollout.kubernetes.names import arm_labels, arm_name
from pressrun.rollout.records import api_of
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Arm, Phase

LABELS = ["Sports", "Business"]
POLICY = Rollout(
    steps=[20, 50, 100], min_requests=40, max_step=timedelta(seconds=120), bake=timedelta(seconds=8), shadow=0.5,
    budgets=Budgets(error_rate=0.02, latency_ratio=3.0, latency_floor_ms=20.0),
)  # fmt: skip

# The first step takes a quarter of a minute at least, so that there is a middle of it.
LONG = POLICY.model_copy(update={"steps": [20, 100], "min_requests": 150, "bake": timedelta(seconds=4)})


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
    replicas: int = 2
    split: Literal["weights", "replicas"] = "weights"
    more_namespaces: Sequence[str] = ()
    champion: ModelRef | None = None
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        metrics = GatewayMetrics(url=self.metrics_url) if self.split == "weights" else None
        deploy = Deploy(
            server_image=self.server_image, fetch_image=self.controller_image, pull_policy="Never",
            tracking_uri=self.tracking_uri, replicas=self.replicas, split=self.split, cpu="50m", memory="256Mi",
            gateway=Gateway(name="web", namespace="gateway", hostnames=["{model}." + self.domain], metrics=metrics),
        )  # fmt: skip
        clusters = [
            Cluster(name=name, kubeconfig=self.kubeconfig, namespace=name)
            for name in (self.namespace, *self.more_namespaces)
        ]
        self.environment = Environment(
            name="kubernetes", home=self.home, lake=LakeRoot(root=str(self.home / "lake")),
            database=f"sqlite:///{self.home}/pressrun.db", landing=str(self.home / "landing"),
            mlflow=Mlflow(tracking_uri=self.tracking_uri),
            kubernetes=Kubernetes(clusters=clusters, deploy=deploy, controller_image=self.controller_image),
        )  # fmt: skip

    @property
    def host(self) -> str:
        """Where readers find the model."""
        return f"topics.{self.domain}"

    @property
    def domain(self) -> str:
        """Tests share the gateway: each has a name of its own."""
        return f"{self.namespace}.example"

    @property
    def api(self) -> ClusterApi:
        assert self.environment.kubernetes is not None
        return api_of(self.environment.kubernetes.clusters[0])

    def install(self) -> None:
        assert self.environment.kubernetes is not None
        for cluster in self.environment.kubernetes.clusters:
            for body in controller_objects(cluster.namespace, self.environment.kubernetes):
                api_of(cluster).apply(body)

    def begin(self) -> ModelRef:
        """The first champion, promoted."""
        first = self.model()
        ended = self.ended(self.roll(first))
        assert ended.phase is Phase.PROMOTED, self.story()
        self.champion = first
        return first

    def roll(self, candidate: ModelRef, **more: Any) -> str:
        """Submits a rollout of the candidate against the present champion, and says its step."""
        step = f"{self.namespace}/{time.monotonic_ns()}/rollout/-1"
        self.submit(self.plan(step, candidate, self.champion, **more))
        return step

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
        image: str | None = None, baseline: bool = False, **more: Any,
    ) -> RolloutPlan:  # fmt: skip
        """A plan for this site; `more` are fields of it to set otherwise."""
        assert self.environment.kubernetes is not None
        deploy = self.environment.kubernetes.deploy
        if image:
            deploy = deploy.model_copy(update={"server_image": image})
        arms = [Arm(name=CHAMPION, model=champion)] if champion else []
        if champion and baseline:
            arms.append(Arm(name=BASELINE, model=champion))
        given = {
            "model": "topics", "pipeline": "topics", "step_key": step, "policy": policy, "deploy": deploy,
            "replicas": deploy.replicas, "split": deploy.split, "start_within": timedelta(seconds=60),
            "unready_within": timedelta(seconds=20), "arms": (*arms, Arm(name=CANDIDATE, model=candidate)),
        }  # fmt: skip
        return RolloutPlan(**{**given, **more})

    def submit(self, plan: RolloutPlan) -> None:
        submit(self.environment, plan)

    def record(self) -> RolloutRecord | None:
        return status(self.environment, "topics")

    def ended(self, step: str, *, seconds: float = 300.0) -> Outcome:
        """Waits for the rollout's end, and does meanwhile what a waiting task does for several clusters."""
        self.until(lambda record: self.carried_on(step), seconds=seconds)
        found = outcome(self.environment, "topics", step)
        assert found is not None
        if found.phase is Phase.PROMOTED:
            self.champion = served(self.environment, "topics")
        return found

    def carried_on(self, step: str) -> Outcome | None:
        carry_on(self.environment, "topics", step)
        return outcome(self.environment, "topics", step)

    def moves(self, generation: int) -> list[tuple[float, int]]:
        """When (seconds since the epoch) the candidate's weight was set to how much (percent)."""
        record = self.record()
        events = record.history if record else ()
        mine = [e for e in events if e.generation == generation and e.kind == "weights"]
        return [(event.at.timestamp(), event.weight or 0) for event in mine]

    def told(self, generation: int, kind: str) -> list[str]:
        """What the history says of one kind."""
        record = self.record()
        return [e.text for e in record.history if (e.generation, e.kind) == (generation, kind)] if record else []

    def weighs(self, share: int, *, seconds: float = 90.0) -> RolloutRecord:
        """Waits until the candidate has this weight (percent)."""
        return self.until(lambda r: r.state and r.state.weights.get(CANDIDATE, 0) == share, seconds=seconds)

    def gone(self, generation: int, *, seconds: float = 90.0) -> None:
        """Waits until nothing of the generation is left; its pods drain for some seconds."""
        self.until(lambda record: not self.pods(generation), seconds=seconds)
        for kind, version in (("Deployment", "apps/v1"), ("Service", "v1"), ("PodDisruptionBudget", "policy/v1")):
            assert self.api.get(kind, arm_name("topics", generation), version=version) is None, kind

    def pods(self, generation: int) -> list[Object]:
        return self.api.find("Pod", arm_labels("topics", generation))

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
