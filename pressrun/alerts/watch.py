"""Alerts that do not arrive: nobody would be told, so it shows elsewhere, and a heartbeat stops.

The heartbeat is the file `<home>/heartbeat`, whose age anyone can watch, and, where PRESSRUN_HEARTBEAT_URL names one, a
request to a service outside that tells people when it comes no more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from pressrun.alerts.delivery import TOKEN
from pressrun.alerts.slack import RefusedError, Slack, UnreachableError
from pressrun.alerts.tell import outbox
from pressrun.config.environment import Environment
from pressrun.jobs.outbox import Stuck

ALLOWED = timedelta(hours=2)
URL = "PRESSRUN_HEARTBEAT_URL"
_MEND = f"put a bot's token into {TOKEN} where tasks run, or write slack: optional in the environment's file"
_SECONDS = 10.0
_log = logging.getLogger(__name__)


def stuck(
    environment: Environment, *, model: str | None = None, allowed: timedelta = ALLOWED, now: datetime | None = None
) -> list[Stuck]:
    """The threads, of one model or all, with a message that has lain undelivered for longer than `allowed`."""
    found = outbox(environment).stuck(before=(now or datetime.now(UTC)) - allowed)
    return [one for one in found if model in (None, one.pipeline)]


def in_words(found: Sequence[Stuck]) -> str:
    """Since when how many lie, and what the oldest met; empty for none."""
    if not found:
        return ""
    oldest = found[0]
    why = f": {oldest.last_error}" if oldest.last_error else "; no attempt has said why: does anything deliver?"
    return (
        f"messages of {len(found)} threads have not arrived, the first ({oldest.thread}) since "
        f"{oldest.since:%Y-%m-%d %H:%M} UTC{why}"
    )


def unheard(environment: Environment, channels: Collection[str]) -> str:
    """Why no message would arrive in these channels, in words; empty where one would, or where Slack is optional.

    A Slack that does not answer just now is no reason: what it misses meanwhile lies in the outbox, and shows.
    """
    token, named = os.environ.get(TOKEN), ", ".join(sorted(channels))
    if not channels or (not token and environment.slack == "optional"):
        return ""
    if not token:
        return f"{named}: no message would arrive, for {TOKEN} is not set here; {_MEND}"
    try:
        Slack(token=token, base_url=environment.slack_url).sign_in()
    except RefusedError as error:
        return f"{named}: no message would arrive, for the token is refused: {error}; {_MEND}"
    except UnreachableError as error:
        _log.warning("Slack could not be asked whether it takes the token: %s", error)
    return ""


def beat(environment: Environment, now: datetime | None = None) -> datetime:
    """Gives the heartbeat. A service that does not answer is logged: that it misses one is what it is for."""
    at, file = now or datetime.now(UTC), Path(environment.home) / "heartbeat"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(at.isoformat() + "\n", encoding="ascii")
    if url := os.environ.get(URL):
        try:
            httpx.get(url, timeout=_SECONDS, follow_redirects=True).raise_for_status()
        except httpx.HTTPError as error:
            # The address is a secret: whoever has it can keep the watcher quiet.
            _log.warning("the heartbeat did not reach the address in %s: %s", URL, type(error).__name__)
    return at
