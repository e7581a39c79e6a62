"""How a model's traffic is divided: an HTTPRoute's weights, or one Service in front of all replicas.

What is written is what can be read back: whoever edits it by hand is seen, and it is put right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pressrun.config.environment import Deploy, Gateway
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.names import GENERATION, MANAGED, MODEL, PORT, ROLE, arm_name, model_name, role_of
from pressrun.rollout.labels import object_labels
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION

ROUTE_API = "gateway.networking.k8s.io/v1"
_ORDER = (CANDIDATE, BASELINE, CHAMPION)


def traffic_object(
    model: str, weights: Mapping[str, int], generations: Mapping[str, int], deploy: Deploy, namespace: str
) -> Object:
    """The object that divides the traffic like this. `generations` are those of the arms that exist."""
    labels = {**object_labels(model, deploy.labels), **MANAGED}
    metadata = {"name": model_name(model), "namespace": namespace, "labels": labels}
    if deploy.split == "replicas":
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": _selection(model, weights, generations),
        }
    gateway = deploy.gateway
    parent = {"name": gateway.name, "namespace": gateway.namespace or namespace}
    parent |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    spec: Object = {"parentRefs": [parent], "rules": _rules(model, weights, generations, gateway)}
    if gateway.hostnames:
        spec["hostnames"] = [name.replace("{model}", model_name(model)) for name in gateway.hostnames]
    return {"apiVersion": ROUTE_API, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def weights_of(found: Object | None, model: str, generations: Mapping[str, int]) -> dict[str, int]:
    """The weights that the object in the cluster stands for; an arm that nobody knows is named by its Service."""
    if found is None:
        return {}
    if found["kind"] == "Service":
        return _selected(found, generations)
    names = {arm_name(model, generation, arm): arm for arm, generation in generations.items()}
    rules = found["spec"].get("rules") or [{}]
    weights = {names.get(name, name): weight for name, weight, *_ in _backends_of(rules[-1])}
    return {arm: weight for arm, weight in weights.items() if weight}


def as_written(found: Object | None, wanted: Object) -> bool:
    """Whether the cluster's object divides the traffic as `wanted` does, whatever else others have set on it."""
    return found is not None and found["kind"] == wanted["kind"] and _core(found) == _core(wanted)


def _core(body: Object) -> object:
    """All that says where a request goes. People may have written anything there, so nothing is taken for granted."""
    spec = body.get("spec") or {}
    if body["kind"] == "Service":
        ports = [(port.get("port"), str(port.get("targetPort"))) for port in spec.get("ports") or []]
        return spec.get("selector") or {}, ports
    parents = [(parent.get("name"), parent.get("namespace")) for parent in spec.get("parentRefs") or []]
    rules = [(_matches_of(rule), _backends_of(rule), rule.get("filters") or []) for rule in spec.get("rules") or []]
    return parents, sorted(spec.get("hostnames") or []), rules


def _matches_of(rule: Object) -> list[object]:
    return [(_path_of(match), _headers_of(match), match.get("method")) for match in rule.get("matches") or []]


def _path_of(match: Object) -> tuple[str, str]:
    path = match.get("path") or {}
    return path.get("type", "PathPrefix"), path.get("value", "/")


def _headers_of(match: Object) -> list[tuple[str, ...]]:
    headers = match.get("headers") or []
    return [(str(h.get("name")).lower(), str(h.get("type", "Exact")), str(h.get("value"))) for h in headers]


def _backends_of(rule: Object) -> list[tuple[str, int, object, str, str]]:
    """Name, weight, port, kind and namespace of each backend that gets anything."""
    backends = [
        (str(b.get("name")), int(b.get("weight", 1)), b.get("port"), b.get("kind", "Service"), b.get("namespace") or "")
        for b in rule.get("backendRefs") or []
    ]
    return sorted((backend for backend in backends if backend[1]), key=str)


def _rules(model: str, weights: Mapping[str, int], generations: Mapping[str, int], gateway: Gateway) -> list[Object]:
    """First each arm's buckets, so that a reader keeps an arm; last everybody else by weight."""
    arms = [arm for arm in _ORDER if weights.get(arm)]
    path = {"type": "PathPrefix", "value": _path(model, gateway)}
    split = {"backendRefs": [_backend(model, arm, weights[arm], generations) for arm in arms]}
    split["matches"] = [{"path": path}]
    if gateway.sticky_header is None or len(arms) < 2:
        return [split]
    rules, begin = [], 0
    for arm in arms:
        buckets = _buckets(begin, begin + weights[arm], max(generations.values()))
        match = {"type": "RegularExpression", "name": gateway.sticky_header, "value": _pattern(buckets)}
        rules.append({"matches": [{"path": path, "headers": [match]}]})
        rules[-1]["backendRefs"] = [_backend(model, arm, 1, generations)]
        begin += weights[arm]
    return [*rules, split]


def _path(model: str, gateway: Gateway) -> str:
    """Models that share a host are told apart by the protocol's path; one with a host of its own has all of it."""
    return "/" if any("{model}" in name for name in gateway.hostnames) else f"/v2/models/{model}"


def _buckets(begin: int, end: int, generation: int) -> list[int]:
    """The clients' buckets that the router would put there: they change with each rollout."""
    return sorted((at - 37 * generation) % 100 for at in range(begin, end))


def _pattern(buckets: Sequence[int]) -> str:
    """A regular expression for exactly these numbers below 100, by tens."""
    tens: dict[int, list[int]] = {}
    for bucket in buckets:
        tens.setdefault(bucket // 10, []).append(bucket % 10)
    parts = [f"{ten or ''}[{''.join(str(one) for one in ones)}]" for ten, ones in tens.items()]
    return f"^({'|'.join(parts)})$"


def _backend(model: str, arm: str, weight: int, generations: Mapping[str, int]) -> Object:
    name = arm_name(model, generations[arm], arm)
    return {"group": "", "kind": "Service", "name": name, "port": PORT, "weight": weight}


def _selection(model: str, weights: Mapping[str, int], generations: Mapping[str, int]) -> Object:
    """One arm alone is selected by its generation, several by the model: then the replicas' numbers divide."""
    selector = {MODEL: model_name(model)}
    if len(weights) == 1:
        arm = next(iter(weights))
        selector |= {GENERATION: str(generations[arm]), ROLE: role_of(arm)}
    return {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]}


def _selected(found: Object, generations: Mapping[str, int]) -> dict[str, int]:
    """One arm's share is all; of several nobody can read the shares back, only that each has one."""
    chosen = (found["spec"].get("selector") or {}).get(GENERATION)
    if chosen is None:
        return dict.fromkeys(generations, 1)
    arms = {str(generation): arm for arm, generation in generations.items() if arm != BASELINE}
    return {arms.get(chosen, f"g{chosen}"): 100}
