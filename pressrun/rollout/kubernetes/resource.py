"""The custom resource `Rollout`: what was asked for in its spec, what the controller says of it in its status.

One a model, so that a model has one rollout at a time. `kubectl get rollouts` tells the story; `kubectl annotate
rollout topics pressrun.dev/abort="ann: readers complain"` steps in, as do pause, resume, promote and force.
"""

from __future__ import annotations

from datetime import datetime

from pressrun.rollout.changes import MOST_OF_ACTOR, MOST_OF_REASON, MOST_REPORTED, fresh, told, wished
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.names import GROUP, MANAGED, VERSION, model_name
from pressrun.rollout.record import UnreadableRecord
from pressrun.rollout.split import candidate_share
from pressrun.rollout.types import CANDIDATE, WISHES, Phase, RolloutRecord, RolloutState
from pressrun.rollout.wishes import in_words

KIND, API_VERSION = "Rollout", f"{GROUP}/{VERSION}"
_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_COLUMNS = (
    ("Champion", ".status.champion", "string"),
    ("Candidate", ".status.candidate", "string"),
    ("Phase", ".status.phase", "string"),
    ("Weight", ".status.weight", "integer"),
    ("Requests", ".status.requests", "integer"),
    ("Errors", ".status.errors", "integer"),
    ("Verdict", ".status.verdict", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)
_ASKED = ("model", "generations", "plan", "queue", "intents", "reported", "submitted_at")
_OURS = {"version", *_ASKED}


def record_of(resource: Object) -> RolloutRecord:
    """The record that the resource holds. What its status says of another generation than the spec's plan is void.

    Raises UnreadableRecord.
    """
    asked, said = resource["spec"], (resource.get("status") or {}).get("record") or {}
    try:
        record = RolloutRecord.model_validate({**said, **asked, "version": resource["metadata"]["generation"]})
    except ValueError as error:
        raise UnreadableRecord(_unreadable(resource, error)) from error
    begun = (resource.get("status") or {}).get("generation")
    if record.plan is None or begun == record.plan.generation:
        return record
    since = record.submitted_at
    return record.model_copy(update=fresh(since)) if since else record.model_copy(update={"state": None})


def _unreadable(resource: Object, error: ValueError) -> str:
    said, name = "; ".join(str(error).splitlines()[1:3]), resource["metadata"]["name"]
    remedy = "let the controller's image and this Pressrun be of one version: `pressrun controller --apply`"
    return f"the Rollout {name} was written by another version of Pressrun ({said}); {remedy}"


def spec_of(record: RolloutRecord) -> Object:
    """The record's part that is asked for."""
    return {
        key: value for key, value in record.model_dump(mode="json", include=set(_ASKED)).items() if value is not None
    }


def status_of(record: RolloutRecord, now: datetime) -> Object:
    """The record's other part, with the lines that people look for first."""
    kept = record.model_dump(mode="json", exclude=_OURS)
    return {**_summary(record), "conditions": _conditions(record, now), "record": kept}


def resource_of(record: RolloutRecord, namespace: str) -> Object:
    """A new resource for the record."""
    name = model_name(record.model)
    metadata = {"name": name, "namespace": namespace, "labels": dict(MANAGED)}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec_of(record)}


def reference_to(resource: Object) -> Object:
    """What an object says of the Rollout that it was made for."""
    named = {"apiVersion": API_VERSION, "kind": KIND, "name": resource["metadata"]["name"]}
    return {**named, "uid": resource["metadata"]["uid"]}


def annotated(resource: Object, record: RolloutRecord, now: datetime) -> tuple[Object, RolloutRecord]:
    """Turns what people annotated into intents; the resource that comes back has those annotations no more."""
    notes = dict(resource["metadata"].get("annotations") or {})
    for wish in WISHES:
        if (said := notes.pop(f"{GROUP}/{wish}", None)) is not None:
            actor, _, reason = said.partition(":") if ":" in said else ("kubectl", "", said)
            words, who = reason.strip() or "no reason given", actor.strip() or "kubectl"
            if not record.active:
                record = told(record, "intent", f"{wish} by {who} came when nothing was under way", now)
            record = wished(record, wish, actor=who, reason=words, now=now)
    return {**resource, "metadata": {**resource["metadata"], "annotations": notes}}, record


def _summary(record: RolloutRecord) -> Object:
    plan, state = record.plan, record.state
    summary: Object = {"champion": record.champion.version if record.champion else "none"}
    if plan is None or state is None:
        return {**summary, "phase": "idle"}
    ended = record.outcomes[-1] if record.outcomes and record.outcomes[-1].generation == plan.generation else None
    said = ended.verdict.decision.value if ended else ""
    return {
        **summary,
        "generation": plan.generation,
        "candidate": plan.candidate.version,
        "phase": "paused" if state.paused_at else state.phase.value,
        "wanted": candidate_share(plan, state),
        "weight": state.weights.get(CANDIDATE, 0),
        "weights": dict(state.weights),
        "requests": record.traffic.requests.get(CANDIDATE, 0),
        "errors": record.traffic.errors.get(CANDIDATE, 0),
        "verdict": said,
        "by": [in_words(intent) for intent in record.intents],
        "message": record.history[-1].text if record.history else "",
    }


def _conditions(record: RolloutRecord, now: datetime) -> list[Object]:
    state = record.state
    paused = state is not None and state.paused_at is not None
    back = state is not None and state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    return [
        _condition("Progressing", record.active and not paused and not back, state, now),
        _condition("Paused", paused, state, now),
        _condition("RolledBack", back, state, now),
    ]


def _condition(kind: str, holds: bool, state: RolloutState | None, now: datetime) -> Object:
    at = (state.since if state else now).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = (state.phase.value if state else "idle").title().replace("_", "")
    return {"type": kind, "status": str(holds), "reason": reason, "message": "", "lastTransitionTime": at}


def definition() -> Object:
    """The CustomResourceDefinition."""
    properties = {"spec": _spec_schema(), "status": _OPEN}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": properties}},
        "additionalPrinterColumns": [{"name": n, "jsonPath": path, "type": kind} for n, path, kind in _COLUMNS],
    }
    names = {"kind": KIND, "plural": "rollouts", "singular": "rollout", "listKind": "RolloutList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"rollouts.{GROUP}", "labels": dict(MANAGED)},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _spec_schema() -> Object:
    properties = {
        "model": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
        "generations": {"type": "integer", "minimum": 0},
        "submitted_at": {"type": "string", "format": "date-time"},
        "plan": _plan_schema(),
        "queue": {"type": "array", "items": _plan_schema()},
        "intents": {"type": "array", "items": _intent_schema()},
        "reported": {"type": "array", "maxItems": MOST_REPORTED, "items": _window_schema()},
    }
    return {"type": "object", "required": ["model"], "properties": properties}


def _plan_schema() -> Object:
    properties = {
        "model": {"type": "string"},
        "generation": {"type": "integer", "minimum": 1},
        "step_key": {"type": "string"},
        "replicas": {"type": "integer", "minimum": 1},
    }
    return {
        "type": "object",
        "required": ["model", "generation", "arms", "policy"],
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _intent_schema() -> Object:
    properties = {
        "generation": {"type": "integer", "minimum": 1},
        "wish": {"type": "string", "enum": [*WISHES, "release"]},
        "actor": {"type": "string", "minLength": 1, "maxLength": MOST_OF_ACTOR},
        "reason": {"type": "string", "minLength": 1, "maxLength": MOST_OF_REASON},
        "at": {"type": "string", "format": "date-time"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _window_schema() -> Object:
    properties = {"source": {"type": "string"}, "sequence": {"type": "integer", "minimum": 0}}
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }
