"""What a candidate leaves behind: its logs and the cluster's events are gone with its pods, unless kept before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pressrun.config.redact import redacted
from pressrun.rollout.kubernetes.cluster import ClusterApi, Object
from pressrun.rollout.kubernetes.seeing import FETCH, SERVER, Pod
from pressrun.rollout.types import BASELINE, LastWords

MOST_LINES, MOST_PODS, MOST_EVENTS = 200, 4, 40
# In UTF-8, as they are stored.
MOST_CHARACTERS, MOST_CHARACTERS_OF_EVENT = 300, 500
_BEYOND = 100  # read past the end, for a secret that begins before it


def last_words(api: ClusterApi, pods: Sequence[Pod], deployment: str) -> tuple[LastWords, ...]:
    """The last 200 lines of the pods that have most to say, and the events of each; those of the rollout at the end."""
    talkers = sorted(pods, key=lambda pod: (-pod.restarts, pod.ready, pod.name))[:MOST_PODS]
    events = api.find("Event", {}) if talkers or deployment else []
    share = max(1, MOST_LINES // max(1, len(talkers)))
    words = [_of(api, pod, events, MOST_LINES if index == 0 else share) for index, pod in enumerate(talkers)]
    return (*words, LastWords(server=deployment, events=_events(events, deployment, exact=False)))


def _of(api: ClusterApi, pod: Pod, events: Sequence[Object], lines: int) -> LastWords:
    said = _said(api, pod.name, SERVER, lines) or _said(api, pod.name, FETCH, lines)
    log = tuple(shown(line, MOST_CHARACTERS) for line in said[-lines:])
    return LastWords(server=pod.name, log=log, events=_events(events, pod.name))


def _said(api: ClusterApi, pod: str, container: str, lines: int) -> list[str]:
    """What the container said before it was last restarted, and since."""
    return [
        line
        for previous in (True, False)
        for line in api.logs(pod, container, lines=lines, previous=previous).splitlines()
    ]


def _events(events: Sequence[Object], name: str, *, exact: bool = True) -> tuple[str, ...]:
    mine = [e for e in events if _is_of((e.get("involvedObject") or {}).get("name") or "", name, exact=exact)]
    told = sorted(mine, key=_when)[-MOST_EVENTS:]
    texts = (f"{_when(e)} {e.get('type')} {e.get('reason')}: {e.get('message')}" for e in told)
    return tuple(shown(text, MOST_CHARACTERS_OF_EVENT) for text in texts)


def shown(line: str, most: int) -> str:
    """A line that strangers wrote, as it may be kept and shown: without secrets, controls of a terminal, and end.

    Secrets go first: one that the end cuts in two would not be known any more.
    """
    said = redacted(line[: most + _BEYOND])
    # The API stores each of these as six characters, and takes a megabyte in all.
    said = said[: max(most // 6, most - 5 * sum(map(said.count, "<>&")))]
    said = said.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
    return "".join(one if one.isprintable() or one == "\t" else "\N{REPLACEMENT CHARACTER}" for one in said)


def _is_of(involved: str, name: str, *, exact: bool) -> bool:
    """The Deployment's own and its ReplicaSets' are told together; a baseline's name only begins the same."""
    if involved == name or exact:
        return involved == name
    start, _, end = involved.rpartition("-")
    return start == name and end != BASELINE


def _when(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
