"""What a rollout would write to a cluster: the cluster's API says so, by server-side dry run, and nothing changes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from pressrun.rollout.kubernetes.cluster import ClusterApi, Object, Refused
from pressrun.rollout.kubernetes.manifests import arm_objects, network_policy
from pressrun.rollout.kubernetes.route import traffic_object
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, RolloutPlan, RolloutRecord

# Who owns it is the same for all of them, and known by the Rollout alone.
_NOISE = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "ownerReferences")
METRICS_API = "metrics.k8s.io/v1beta1"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One object: what is there (`create` where nothing is) against what would be, as a unified diff of YAML."""

    kind: str
    name: str
    verb: str
    diff: str


def dry_run(api: ClusterApi, plan: RolloutPlan, record: RolloutRecord | None) -> list[Change]:
    """Each object that the rollout would write to begin with, and the route of its first step.

    Raises Refused with the API's own words where it would not take one, and Unreachable.
    """
    return [_change(api, body) for body in _objects(api, plan, record)]


def not_enforced(api: ClusterApi) -> list[str]:
    """What the cluster takes and, as far as can be told, does not act on."""
    found = []
    try:
        api.kinds_of("PodMetrics", METRICS_API)
    except Refused:
        found.append(f"HorizontalPodAutoscaler: there is no metrics API ({METRICS_API}), so nothing is scaled by load")
    labels = (_namespace(api).get("metadata") or {}).get("labels") or {}
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        label = "pod-security.kubernetes.io/enforce=restricted"
        found.append(f"Pod Security: namespace {api.namespace} is not labeled {label}; the pods would pass it")
    found.append("NetworkPolicy: the API does not say whether the cluster's network enforces it; ask who runs it")
    return found


def _objects(api: ClusterApi, plan: RolloutPlan, record: RolloutRecord | None) -> Iterator[Object]:
    deploy, generation = plan.deploy, (record.generations if record else 0) + 1
    if deploy is None:
        raise ValueError("the plan says nothing of how it is deployed: give the environment a section kubernetes")
    yield network_policy(plan.model, api.namespace, deploy)
    for arm in (a for a in plan.arms if a.name in (CANDIDATE, BASELINE)):
        yield from arm_objects(
            plan.model, arm.name, arm.model, deploy, generation=generation, replicas=1, namespace=api.namespace
        )  # fmt: skip
    generations = {CANDIDATE: generation, **({CHAMPION: record.champion_generation} if record else {})}
    share = plan.policy.steps[0] if plan.champion and CHAMPION in generations else 100
    weights = {CANDIDATE: share, **({CHAMPION: 100 - share} if share < 100 else {})}
    yield traffic_object(plan.model, weights, generations, deploy, api.namespace)


def _change(api: ClusterApi, body: Object) -> Change:
    kind, name = body["kind"], body["metadata"]["name"]
    live = api.get(kind, name, version=body["apiVersion"])
    would = api.apply(body, dry_run=True)
    before, after = (_text(live) if live else ""), _text(would)
    verb = "create" if live is None else "change" if before != after else "keep"
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "in the cluster", "by the rollout", lineterm="", n=2
    )
    return Change(kind=kind, name=name, verb=verb, diff="\n".join(lines))


def _text(body: Object) -> str:
    metadata = {key: value for key, value in body["metadata"].items() if key not in _NOISE}
    kept: dict[str, Any] = {**body, "metadata": metadata}
    kept.pop("status", None)
    return yaml.safe_dump(kept, sort_keys=True)


def _namespace(api: ClusterApi) -> Object:
    try:
        return api.get("Namespace", api.namespace) or {}
    except Refused:
        return {}
