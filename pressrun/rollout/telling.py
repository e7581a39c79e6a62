"""A rollout's events as messages for the thread of its model version: what people want to hear, once each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pressrun.rollout.types import Event, RolloutRecord

_TOLD = ("submitted", "phase", "intent", "crashed", "mended", "adopted", "champion")


@dataclass(frozen=True, kw_only=True)
class News:
    """A message; `key` is the same whoever tells it, `loud` ones are for everybody to see."""

    key: str
    version: str
    text: str
    loud: bool


def news(standing: Mapping[str, RolloutRecord | None], step_key: str) -> tuple[News, ...]:
    """What there is to tell of the step's rollouts, the oldest first. With several clusters each says which."""
    several = len(standing) > 1
    found = [
        (event.at, _news(event, record, versions[event.generation], f"{name}: " if several else ""))
        for name, record in standing.items()
        if record is not None and (versions := _versions(record, step_key))
        for event in record.history
        if event.kind in _TOLD and event.generation in versions
    ]
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _versions(record: RolloutRecord, step_key: str) -> dict[int, str]:
    """The model versions of the step's rollouts by generation: those that ended, the present one, one that waits."""
    plans = [*record.queue, *([record.plan] if record.plan else [])]
    ended = {o.generation: o.verdict.model_version or "?" for o in record.outcomes if o.step_key == step_key}
    return ended | {plan.generation: plan.candidate.version for plan in plans if plan.step_key == step_key}


def _news(event: Event, record: RolloutRecord, version: str, place: str) -> News:
    said = f"{event.generation} {event.kind} {event.at.isoformat()} {event.text}"
    key = f"rollout/{place}{hashlib.sha256(said.encode()).hexdigest()[:20]}"
    text, loud = _in_words(event)
    return News(key=key, version=version, text=f"{place}{text}", loud=loud)


def _in_words(event: Event) -> tuple[str, bool]:
    if event.kind == "intent" and event.text.startswith("force "):
        return f"FORCED to all traffic, whatever the checks say: {event.text}", True
    words = {
        "submitted": "canary: submitted, {}",
        "phase": "canary: {}",
        "intent": "canary: {}",
        "crashed": "canary: a server crashed, {}",
        "mended": "canary: mended, {}",
        "adopted": "canary: a new supervisor took over, {}",
        "champion": "canary: champion is now {}",
    }
    return words[event.kind].format(event.text), False
