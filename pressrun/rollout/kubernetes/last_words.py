"""What a candidate leaves behind: its logs and the cluster's events are gone with its pods, unless kept before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pressrun.config.redact import redacted
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.seeing import FETCH, SERVER, Pod
from pressrun.rollout.types import LastWords

MOST_LINES, MOST_CHARACTERS, MOST_PODS, MOST_EVENTS = 200, 300, 4, 40


def last_words(api: ClusterApi, pods: Sequence[Pod], deployment: str) -> tuple[LastWords, ...]:
    """The last 200 lines of the pods that have most to say, and the events of each; those of the rollout at the end."""
    talkers = sorted(pods, key=lambda pod: (-pod.restarts, pod.ready, pod.name))[:MOST_PODS]
    events = api.find("Event", {}) if talkers or deployment else []
    share = max(1, MOST_LINES // max(1, len(talkers)))
    words = [_of(api, pod, events, MOST_LINES if index == 0 else share) for index, pod in enumerate(talkers)]
    return (*words, LastWords(server=deployment, events=_events(events, deployment, exact=False)))


def _of(api: ClusterApi, pod: Pod, events: Sequence[Object], lines: int) -> LastWords:
    said = _said(api, pod.name, SERVER, lines) or _said(api, pod.name, FETCH, lines)
    log = tuple(redacted(line[:MOST_CHARACTERS]) for line in said[-lines:])
    return LastWords(server=pod.name, log=log, events=_events(events, pod.name))


def _said(api: ClusterApi, pod: str, container: str, lines: int) -> list[str]:
    """What the container said before it was last restarted, and since."""
    return [
        line
        for previous in (True, False)
        for line in api.logs(pod, container, lines=lines, previous=previous).splitlines()
    ]


def _events(events: Sequence[Object], name: str, *, exact: bool = True) -> tuple[str, ...]:
    mine = [e for e in events if _is_of(e["involvedObject"].get("name", ""), name, exact=exact)]
    told = sorted(mine, key=_when)[-MOST_EVENTS:]
    return tuple(redacted(f"{_when(e)} {e.get('type')} {e.get('reason')}: {e.get('message')}"[:500]) for e in told)


def _is_of(involved: str, name: str, *, exact: bool) -> bool:
    """The Deployment's own and its ReplicaSets' are told together."""
    return involved == name or (not exact and involved.startswith(name) and involved.count("-") <= name.count("-") + 1)


def _when(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
