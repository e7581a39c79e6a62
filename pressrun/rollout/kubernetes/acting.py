"""What a rollout does to a cluster: each action is safe to repeat, and refused where an older look decided it."""

from __future__ import annotations

from collections.abc import Mapping

from pressrun.config.environment import Deploy
from pressrun.registry import ModelRef
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.manifests import arm_objects, network_policies
from pressrun.rollout.kubernetes.names import arm_name
from pressrun.rollout.kubernetes.route import as_written, traffic_object
from pressrun.rollout.kubernetes.seeing import Look

_ARM_KINDS = (
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("Deployment", "apps/v1"),
    ("PodDisruptionBudget", "policy/v1"),
    ("Service", "v1"),
)


def grow(
    api: ClusterApi, seen: Look, model: str, arm: str, ref: ModelRef, deploy: Deploy, *, generation: int, replicas: int
) -> None:
    """Applies the arm's objects and gives it at least `replicas`; never fewer than it has."""
    objects = arm_objects(
        model, arm, ref, deploy, generation=generation, replicas=replicas, namespace=api.namespace
    )  # fmt: skip
    for body in (*network_policies(model, api.namespace, deploy.gateway.namespace), *objects):
        api.apply(body)
    if seen.arm(generation, arm).replicas < replicas:
        api.scale(arm_name(model, generation, arm), replicas)


def remove(api: ClusterApi, model: str, generation: int, arm: str) -> None:
    """Deletes the arm's objects."""
    for kind, version in _ARM_KINDS:
        api.delete(kind, arm_name(model, generation, arm), version=version)


def divide(
    api: ClusterApi, seen: Look, model: str, weights: Mapping[str, int], generations: Mapping[str, int], deploy: Deploy
) -> bool:
    """Lets the traffic be divided like this; whether that was not so already.

    Raises Stale when somebody changed the route since `seen`.
    """
    wanted = traffic_object(model, weights, generations, deploy, api.namespace)
    if as_written(seen.traffic, wanted):
        return False
    api.apply(_of_version(wanted, seen.traffic))
    return True


def _of_version(wanted: Object, found: Object | None) -> Object:
    if found is None:
        return wanted
    version = found["metadata"]["resourceVersion"]
    return {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": version}}
