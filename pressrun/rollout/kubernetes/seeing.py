"""What a cluster shows of a model's arms: Deployments, pods, and the object that divides the traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.names import GENERATION, MODEL, PORT, ROLE, model_name, role_of
from pressrun.rollout.kubernetes.route import ROUTE_API
from pressrun.rollout.seen import ArmSeen
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, RolloutRecord
from pressrun.verdict import Assertion, Decision

SERVER, FETCH = "server", "fetch"


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A server's pod as far as a rollout cares."""

    name: str
    generation: int
    role: str
    ip: str
    ready: bool
    leaving: bool
    restarts: int
    last_end: str


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look. `traffic` is the HTTPRoute or the Service that divides the requests.

    `owner` refers to the Rollout: what is made for it goes with it, and a later one of its name finds nothing left.
    """

    deployments: Mapping[tuple[int, str], Object]
    addresses: Mapping[tuple[int, str], str]
    pods: tuple[Pod, ...]
    traffic: Object | None
    owner: Object | None = None

    def of(self, generation: int, arm: str) -> tuple[Pod, ...]:
        """The arm's pods that are there to stay."""
        role = role_of(arm)
        return tuple(p for p in self.pods if (p.generation, p.role) == (generation, role) and not p.leaving)

    def version_of(self, generation: int, arm: str) -> str | None:
        """The version of the arm's Deployment."""
        found = self.deployments.get((generation, role_of(arm)))
        return found["metadata"]["resourceVersion"] if found else None

    def address(self, generation: int, arm: str) -> str | None:
        """Where the arm's Service answers inside the cluster."""
        return self.addresses.get((generation, role_of(arm)))

    def arm(self, generation: int, arm: str) -> ArmSeen:
        """Replicas that were asked for, and pods that are ready, have been for long enough, and are here to stay."""
        found = self.deployments.get((generation, role_of(arm)))
        if found is None:
            return ArmSeen()
        settled = int((found.get("status") or {}).get("availableReplicas") or 0)
        ready = sum(pod.ready for pod in self.of(generation, arm))
        return ArmSeen(replicas=int(found["spec"].get("replicas", 1)), ready=min(ready, settled))


def look(api: ClusterApi, model: str, *, split: str, owner: Object | None = None) -> Look:
    """Reads everything but the Rollout itself, which `owner` refers to. Raises Unreachable and Refused."""
    labels, name = {MODEL: model_name(model)}, model_name(model)
    kind, version = ("Service", "v1") if split == "replicas" else ("HTTPRoute", ROUTE_API)
    traffic = api.get(kind, name, version=version)
    pods = tuple(_pod(found, identity) for identity, found in _ours(api.find("Pod", labels)))
    deployments = dict(_ours(api.find("Deployment", labels, version="apps/v1")))
    services = _ours(api.find("Service", labels))
    addresses = {identity: f"http://{found['spec'].get('clusterIP')}:{PORT}" for identity, found in services}
    return Look(deployments=deployments, addresses=addresses, pods=pods, traffic=traffic, owner=owner)


def generations_of(record: RolloutRecord) -> dict[str, int]:
    """The generation that made each arm's objects. After the switch the champion is the former one, on its way out."""
    plan, champion = record.plan, record.champion_generation
    if plan is None or not record.active:
        return {CHAMPION: champion} if record.champion else {}
    if champion == plan.generation:
        champion = record.former_generation
    generations = {CHAMPION: champion} if champion else {}
    return {**generations, **({BASELINE: plan.generation} if plan.arm(BASELINE) else {}), CANDIDATE: plan.generation}


def hard_checks(seen: Look, generation: int) -> tuple[Assertion, ...]:
    """What no share of good answers excuses: a server of the candidate that ended by itself."""
    ended = [pod for pod in seen.pods if (pod.generation, pod.role) == (generation, "model") and pod.restarts]
    if not ended:
        return ()
    restarts = sum(pod.restarts for pod in ended)
    reason = f"the candidate's server ended by itself, in {ended[0].name}: {ended[0].last_end}"
    return (Assertion(metric="crashes", value=restarts, decision=Decision.FAIL, reason=reason),)


def _ours(found: Iterable[Object]) -> list[tuple[tuple[int, str], Object]]:
    """The objects that carry an arm's labels, each with its generation and role; others that only look like it are out.

    A person's debugging pod with a model's label must not stop the model's rollout.
    """
    named = [((one["metadata"].get("labels") or {}), one) for one in found]
    roles = (role_of(BASELINE), role_of(CANDIDATE))
    return [
        ((int(labels[GENERATION]), labels[ROLE]), one)
        for labels, one in named
        if labels.get(GENERATION, "").isdecimal() and labels.get(ROLE) in roles
    ]


def _pod(found: Object, identity: tuple[int, str]) -> Pod:
    generation, role = identity
    status: dict[str, Any] = found.get("status") or {}
    server: dict[str, Any] = next((c for c in status.get("containerStatuses") or [] if c["name"] == SERVER), {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return Pod(
        name=found["metadata"]["name"],
        generation=generation,
        role=role,
        ip=status.get("podIP") or "",
        ready=ready and "deletionTimestamp" not in found["metadata"],
        leaving="deletionTimestamp" in found["metadata"] or status.get("phase") in ("Failed", "Succeeded"),
        restarts=int(server.get("restartCount") or 0),
        last_end=_end(server),
    )


def _end(server: Mapping[str, Any]) -> str:
    states = (server.get("state") or {}), (server.get("lastState") or {})
    ended = next((state["terminated"] for state in states if state.get("terminated")), None)
    return f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}" if ended else "restarted"
