"""Plans and records of rollouts in a cluster, as tests want them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pressrun.config.environment import Deploy, Gateway, GatewayMetrics
from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.changes import submitted
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Arm, Phase, RolloutPlan, RolloutRecord, RolloutState

NOW = datetime(2026, 1, 5, 3, tzinfo=UTC)
METRICS = GatewayMetrics(url="http://gateway/metrics")
DEPLOY = Deploy(
    server_image="server:1", fetch_image="fetch:1", tracking_uri="http://mlflow:5000", replicas=2,
    gateway=Gateway(name="web", namespace="gateway", metrics=METRICS),
)  # fmt: skip
POLICY = Rollout(steps=[25, 100], min_requests=40, bake=timedelta(seconds=1), shadow=0.5)


def ref(version: str) -> ModelRef:
    return ModelRef(name="topics", version=version, digest=version.zfill(64), run_id=f"r{version}", bundle="b")


def plan_of(
    step_key: str = "d/2/t/-1", *, champion: str | None = "1", candidate: str = "2", baseline: bool = False, **more: Any
) -> RolloutPlan:
    arms = [Arm(name=CHAMPION, model=ref(champion))] if champion else []
    arms += [Arm(name=BASELINE, model=ref(champion))] if champion and baseline else []
    given = {"deploy": DEPLOY, "replicas": 2, "policy": POLICY, **more}
    return RolloutPlan(
        model="topics", pipeline="topics", step_key=step_key, arms=(*arms, Arm(name=CANDIDATE, model=ref(candidate))),
        **given,
    )  # fmt: skip


def served(version: str = "1", generation: int = 1) -> RolloutRecord:
    """A record at rest, with a champion."""
    return RolloutRecord(
        model="topics", generations=generation, champion=ref(version), champion_generation=generation,
        champion_deploy=DEPLOY,
    )  # fmt: skip


def under_way(
    phase: Phase = Phase.STEPPING, *, step: int = 0, plan: RolloutPlan | None = None, **state: Any
) -> RolloutRecord:
    """Generation 2 in this phase, beside the champion of generation 1."""
    record = submitted(served(), plan or plan_of(), NOW)
    return record.model_copy(update={"state": RolloutState(phase=phase, step=step, since=NOW, **state)})
