"""What stages call: put an alert into the outbox, and try to deliver it. Never raises for Slack's sake."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from pressrun.alerts.delivery import TOKEN, deliver_all
from pressrun.alerts.render import clipped, detail, escaped, headline
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.redact import redacted
from pressrun.jobs import Message, Outbox, Thread, open_database
from pressrun.verdict import Verdict

log = logging.getLogger(__name__)


def tell(
    environment: Environment,
    pipeline: Pipeline,
    verdict: Verdict,
    *,
    thread: str,
    links: Mapping[str, str] | None = None,
    token: str | None = None,
) -> None:
    """Makes the verdict the state that `thread`'s first message shows, with the detail as a reply; once a verdict."""
    outbox(environment).add(
        key=f"verdict/{verdict.verdict_id}",
        thread=thread,
        pipeline=pipeline.model,
        channel=pipeline.alerts.slack,
        text=detail(verdict),
        headline=headline(verdict),
        links=links,
    )
    _try(environment, token)


def say(
    environment: Environment,
    pipeline: Pipeline,
    *,
    key: str,
    thread: str,
    text: str,
    loud: bool = False,
    token: str | None = None,
) -> None:
    """Adds a reply to `thread`, once a `key`. `text` is plain: its markup is shown, not obeyed, its secrets masked.

    What is `loud` stands in the thread's first message as well, until a verdict or a louder word takes its place.
    """
    said = clipped(escaped(redacted(text)))
    outbox(environment).add(
        key=f"say/{pipeline.model}/{key}",
        thread=thread,
        pipeline=pipeline.model,
        channel=pipeline.alerts.slack,
        text=said,
        headline=clipped(f"*{escaped(thread)}* · {said}") if loud else None,
    )
    _try(environment, token)


def deliver(environment: Environment, *, token: str | None = None) -> int:
    """Delivers what is due; returns how many threads still have something due.

    Without a token the terminal shows it, which is enough where the environment has `slack: optional`.
    """
    return deliver_all(
        outbox(environment),
        token=token or os.environ.get(TOKEN) or None,
        base_url=environment.slack_url,
        required=environment.slack == "required",
    )


def threads(environment: Environment, model: str) -> list[tuple[Thread, list[Message]]]:
    """The model's threads with their replies, the newest first, delivered or not: for its page."""
    box = outbox(environment)
    return [(thread, box.messages(thread=thread.thread)) for thread in box.threads(pipeline=model)]


def outbox(environment: Environment) -> Outbox:
    """The environment's outbox."""
    return Outbox(open_database(environment.database))


def _try(environment: Environment, token: str | None) -> None:
    try:
        deliver(environment, token=token)
    except Exception:
        log.exception("Alerts: delivery failed; the message is kept in the outbox and tried again")
