"""A cluster's API in memory: versions, status subresources and merges as the real one has them, and no more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from pressrun.rollout.kubernetes.cluster import ClusterApi, Object, Stale
from pressrun.rollout.kubernetes.names import DECIDED, MANAGED, arm_labels, arm_name


class ClusterInMemory(ClusterApi):
    """Refuses by resourceVersion as the API does. `calls` are all writes; `meanwhile` is called before each call.

    `meanwhile(verb, kind, name)` may change objects, or raise what an API that is away raises.
    """

    def __init__(self, namespace: str = "news") -> None:
        self.namespace = namespace
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.said: dict[str, str] = {}
        self.meanwhile: Callable[[str, str, str], None] = lambda verb, kind, name: None
        self._version = 0

    def get(self, kind: str, name: str, *, version: str = "v1") -> Object | None:
        self.meanwhile("get", kind, name)
        return copy.deepcopy(self.objects.get((kind, name)))

    def find(self, kind: str, labels: Mapping[str, str], *, version: str = "v1") -> list[Object]:
        self.meanwhile("list", kind, "")
        found = [one for (of, _), one in self.objects.items() if of == kind]
        return copy.deepcopy([one for one in found if labels.items() <= (one["metadata"].get("labels") or {}).items()])

    def apply(self, body: Object, *, dry_run: bool = False) -> Object:
        there = self._called("apply", body)
        if there is None:
            there = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"generation": 0}}
        elif body["metadata"].get("resourceVersion") not in (None, there["metadata"]["resourceVersion"]):
            raise Stale(f"{body['kind']} {body['metadata']['name']}")
        if "ownerReferences" not in body["metadata"]:
            # What a field manager applied once and applies no more is taken away.
            there["metadata"].pop("ownerReferences", None)
        if body["kind"] == "Deployment":
            there.setdefault("spec", {}).setdefault("replicas", 1)
        if body["kind"] == "Service":
            there.setdefault("spec", {}).setdefault("clusterIP", "10.0.0.1")
        return self._stored(merged(there, body))

    def replace(self, body: Object, *, status: bool = False) -> Object:
        there = self._called("status" if status else "replace", body)
        if there is None or there["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise Stale(f"{body['kind']} {body['metadata']['name']}")
        if status:
            return self._stored({**there, "status": body["status"]})
        return self._stored({**body, "status": there.get("status") or {}})

    def create(self, body: Object) -> Object:
        if self._called("create", body) is not None:
            raise Stale(f"{body['kind']} {body['metadata']['name']}")
        return self._stored(
            {**body, "metadata": {**body["metadata"], "generation": 0, "uid": body["metadata"]["name"]}}
        )

    def scale(self, name: str, replicas: int) -> None:
        self._patched("scale", "Deployment", name, {"spec": {"replicas": replicas}})

    def mark(self, kind: str, name: str, note: str, *, version: str) -> None:
        if (kind, name) not in self.objects:
            raise Stale(name)
        self._patched("mark", kind, name, {"metadata": {"annotations": {DECIDED: note}}})

    def delete(self, kind: str, name: str, *, version: str = "v1", seen: str | None = None) -> None:
        self._noted("delete", kind, name)
        there = self.objects.get((kind, name))
        if there and seen not in (None, there["metadata"]["resourceVersion"]):
            raise Stale(name)
        self.objects.pop((kind, name), None)

    def logs(self, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        return self.said.get(f"{pod}/{container}/{'previous' if previous else 'now'}", "")

    def edit(self, kind: str, name: str, change: Callable[[Object], Any]) -> None:
        """Somebody's hand."""
        there = copy.deepcopy(self.objects[kind, name])
        change(there)
        self._stored(there)

    def put(self, kind: str, name: str, *, labels: Mapping[str, str] | None = None, **more: Any) -> None:
        """An object as its own controller leaves it."""
        self._stored(
            {"kind": kind, "metadata": {"name": name, "labels": dict(labels or {}), **more.pop("meta", {})}} | more
        )

    def run_pods(self, model: str, *, restarts: int = 0) -> None:
        """What a cluster's own controllers do: each Deployment's replicas become ready pods."""
        for (kind, name), found in list(self.objects.items()):
            if kind == "Deployment":
                for number in range(found["spec"]["replicas"]):
                    self.put("Pod", f"{name}-{number}", labels=found["metadata"]["labels"], status=ready(restarts))
                self.objects[kind, name]["status"] = {"availableReplicas": found["spec"]["replicas"]}
        gone = [
            (k, n) for k, n in self.objects if k == "Pod" and ("Deployment", n.rpartition("-")[0]) not in self.objects
        ]
        for key in gone:
            del self.objects[key]

    def _called(self, verb: str, body: Object) -> Object | None:
        self._noted(verb, body["kind"], body["metadata"]["name"])
        return copy.deepcopy(self.objects.get((body["kind"], body["metadata"]["name"])))

    def _noted(self, verb: str, kind: str, name: str) -> None:
        self.meanwhile(verb, kind, name)
        self.calls.append((verb, kind, name))

    def _patched(self, verb: str, kind: str, name: str, patch: Object) -> None:
        self._noted(verb, kind, name)
        self._stored(merged(copy.deepcopy(self.objects[kind, name]), patch))

    def _stored(self, body: Object) -> Object:
        key = body["kind"], body["metadata"]["name"]
        before = self.objects.get(key)
        if before == body:
            return copy.deepcopy(body)
        self._version += 1
        changed = before is None or before.get("spec") != body.get("spec")
        generation = (before["metadata"].get("generation", 0) if before else 0) + changed
        metadata = {**body["metadata"], "resourceVersion": str(self._version), "generation": generation}
        self.objects[key] = copy.deepcopy({**body, "metadata": metadata})
        return copy.deepcopy(self.objects[key])


def merged(there: Object, patch: Object) -> Object:
    """Mappings are merged, everything else is replaced."""
    for key, value in patch.items():
        if key == "resourceVersion":
            continue
        both = isinstance(value, dict) and isinstance(there.get(key), dict)
        there[key] = merged(there[key], value) if both else copy.deepcopy(value)
    return there


def ready(restarts: int = 0) -> Object:
    ended = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}} if restarts else {}
    server = {"name": "server", "restartCount": restarts, **ended}
    condition = {"type": "Ready", "status": "True"}
    return {"phase": "Running", "podIP": "10.0.0.9", "conditions": [condition], "containerStatuses": [server]}


def arm_pod(cluster: ClusterInMemory, name: str, generation: int, *, role: str = "model", **status: Any) -> None:
    arm = "baseline" if role == "baseline" else ""
    labels = {**MANAGED, **arm_labels("topics", generation, arm)}
    cluster.put("Pod", name, labels=labels, status={**ready(), **status})


def deployment_names(cluster: ClusterInMemory) -> set[str]:
    return {name for kind, name in cluster.objects if kind == "Deployment"}


GENERATION_ONE = arm_name("topics", 1)
