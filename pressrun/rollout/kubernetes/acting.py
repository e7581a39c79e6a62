"""What a rollout does to a cluster: each action is safe to repeat, and refused where an older look decided it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from pressrun.config.environment import Deploy
from pressrun.registry import ModelRef
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.manifests import arm_objects, autoscaler, network_policy, shrinks
from pressrun.rollout.kubernetes.names import DECIDED, GENERATION, arm_name
from pressrun.rollout.kubernetes.route import as_written, traffic_object, weights_of
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
    for body in (network_policy(model, api.namespace, deploy), *objects):
        api.apply(_owned(body, seen.owner))
    if seen.arm(generation, arm).replicas < replicas:
        api.scale(arm_name(model, generation, arm), replicas)


def remove(api: ClusterApi, seen: Look, model: str, generation: int, arm: str) -> None:
    """Deletes the arm's objects, the autoscaler first so that nothing brings pods back.

    Raises Stale when the Deployment changed since `seen`: traffic may be on its way to it.
    """
    name = arm_name(model, generation, arm)
    for kind, version in _ARM_KINDS:
        expected = seen.version_of(generation, arm) if kind == "Deployment" else None
        api.delete(kind, name, version=version, seen=expected)


def divide(
    api: ClusterApi, seen: Look, model: str, weights: Mapping[str, int], generations: Mapping[str, int], deploy: Deploy
) -> bool:
    """Lets the traffic be divided like this; whether that was not so already.

    The route gets a new version also where its split was right: a write that an older decision sent and that is still
    on its way is then refused. An arm that gets its first traffic is marked before, so that a removal on its way is
    refused, too. Raises Stale when somebody changed the route since `seen`, or an arm is gone.
    """
    wanted = traffic_object(model, weights, generations, deploy, api.namespace)
    was, note = weights_of(seen.traffic, model, generations), uuid4().hex[:12]
    for arm in (arm for arm, weight in weights.items() if weight and not was.get(arm)):
        api.mark("Deployment", arm_name(model, generations[arm], arm), note, version="apps/v1")
    stamps = {DECIDED: note, GENERATION: str(max(generations.values(), default=0))}
    api.apply(_owned(_of_version(wanted, seen.traffic, stamps), seen.owner))
    return not as_written(seen.traffic, wanted)


def fenced(seen: Look, generation: int) -> bool:
    """Whether that generation has written what divides the traffic."""
    metadata = seen.traffic["metadata"] if seen.traffic else {}
    return (metadata.get("annotations") or {}).get(GENERATION) == str(generation)


def steady(api: ClusterApi, seen: Look, model: str, deploy: Deploy, *, generation: int, under_way: bool) -> None:
    """Keeps the champion's autoscaler from shrinking it while a rollout is under way: all may come back to it."""
    if deploy.max_replicas is None or deploy.split != "weights":
        return
    name = arm_name(model, generation)
    found = api.get("HorizontalPodAutoscaler", name, version="autoscaling/v2")
    if found is not None and shrinks(found) == under_way:
        wanted = autoscaler(model, "", deploy, generation=generation, replicas=found["spec"]["minReplicas"],
                            namespace=api.namespace, shrinks=not under_way)  # fmt: skip
        api.apply(_owned(wanted, seen.owner))


def _owned(body: Object, owner: Object | None) -> Object:
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}} if owner else body


def _of_version(wanted: Object, found: Object | None, stamps: Mapping[str, str]) -> Object:
    metadata = {**wanted["metadata"], "annotations": dict(stamps)}
    if found is not None:
        metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
    return {**wanted, "metadata": metadata}
