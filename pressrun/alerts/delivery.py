"""Delivers the outbox: to Slack, or to the terminal. At least once, and once wherever Slack lets us find out."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from pressrun.alerts.render import plain, with_links
from pressrun.alerts.slack import RefusedError, Slack, UnknownOutcomeError, UnreachableError
from pressrun.jobs import Delivery, Message, Outbox, Thread

log = logging.getLogger(__name__)
TOKEN = "SLACK_BOT_TOKEN"
NO_TOKEN = f"{TOKEN} was not set where it was last tried"
_LEASE = timedelta(minutes=5)
_EARLIER = 600.0
"""Seconds before the thread was last touched from which history is searched: clocks differ."""


def deliver_all(outbox: Outbox, *, token: str | None, base_url: str | None, required: bool) -> int:
    """Delivers every thread that is due; returns how many could not be.

    Without a token the terminal shows them; where Slack is `required` they wait for a token all the same.
    """
    holder = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
    slack = Slack(token=token, base_url=base_url) if token else None
    left = 0
    for delivery in outbox.take(holder=holder, lasting=_LEASE):
        try:
            left += not _delivered(outbox, delivery, slack, required=required)
        finally:
            outbox.release(delivery.thread.thread, holder=holder)
    return left


def _delivered(outbox: Outbox, delivery: Delivery, slack: Slack | None, *, required: bool) -> bool:
    if not delivery.thread.channel or (slack is None and not required):
        _show(delivery, delivery.replies)
        _shown(outbox, delivery)
        return True
    if slack is None:
        _show(delivery, [reply for reply in delivery.replies if reply.last_error is None])
        for reply in delivery.replies:
            outbox.reply_state(reply.key, last_error=NO_TOKEN)
        return _kept(outbox, delivery, NO_TOKEN)
    try:
        _send(outbox, delivery, slack, channel=delivery.thread.channel)
    except (UnknownOutcomeError, RefusedError, UnreachableError) as error:
        return _kept(outbox, delivery, str(error))
    outbox.head_state(delivery.thread.thread, last_error=None)
    return True


def _kept(outbox: Outbox, delivery: Delivery, why: str) -> bool:
    outbox.head_state(delivery.thread.thread, last_error=why[:500])
    what = len(delivery.replies) or 1
    log.warning("Alerts: %s kept in the outbox for %s: %s", what, delivery.thread.channel, why)
    return False


def _send(outbox: Outbox, delivery: Delivery, slack: Slack, *, channel: str) -> None:
    place = _head(outbox, delivery.thread, slack, channel=channel)
    for reply in delivery.replies:
        _reply(outbox, reply, slack, place=place)


def _head(outbox: Outbox, thread: Thread, slack: Slack, *, channel: str) -> tuple[str, str]:
    text, key = with_links(thread.text, thread.links), f"thread/{thread.thread}"
    if thread.slack_channel and thread.slack_ts:
        if thread.sent_revision < thread.revision:
            slack.update(channel=thread.slack_channel, ts=thread.slack_ts, text=text, key=key)
            outbox.head_state(thread.thread, sent_revision=thread.revision, state="sent")
        return thread.slack_channel, thread.slack_ts
    return _first(outbox, thread, slack, channel=channel, text=text, key=key)


def _first(outbox: Outbox, thread: Thread, slack: Slack, *, channel: str, text: str, key: str) -> tuple[str, str]:
    revision = thread.revision
    place = None
    if thread.state == "sending":
        channel = slack.channel_id(channel)
        found = slack.find(channel=channel, key=key, thread_ts=None, oldest=thread.updated_at.timestamp() - _EARLIER)
        # What was found shows the revision that was tried then, so it is edited on the next delivery.
        place, revision = ((channel, found), 0) if found else (None, revision)
    if place is None:
        outbox.head_state(thread.thread, state="sending", attempts=thread.attempts + 1)
        try:
            place = slack.post(channel=channel, text=text, key=key, thread_ts=None)
        except RefusedError:
            outbox.head_state(thread.thread, state="waiting")
            raise
    values = {"slack_channel": place[0], "slack_ts": place[1], "sent_revision": revision, "state": "sent"}
    outbox.head_state(thread.thread, **values)
    return place


def _reply(outbox: Outbox, reply: Message, slack: Slack, *, place: tuple[str, str]) -> None:
    channel, ts = place
    found = None
    if reply.state == "sending":
        found = slack.find(channel=channel, key=reply.key, thread_ts=ts, oldest=0)
    if found is None:
        outbox.reply_state(reply.key, state="sending", attempts=reply.attempts + 1)
        try:
            _, found = slack.post(channel=channel, text=reply.text, key=reply.key, thread_ts=ts)
        except RefusedError as error:
            outbox.reply_state(reply.key, state="waiting", last_error=str(error)[:500])
            raise
    outbox.reply_state(reply.key, state="sent", slack_ts=found, sent_at=datetime.now(UTC), last_error=None)


def _show(delivery: Delivery, replies: Sequence[Message]) -> None:
    """Only what is new: a reply comes with every revision of the first message."""
    thread, console = delivery.thread, Console(stderr=True)
    to = thread.channel or thread.pipeline
    if thread.sent_revision < thread.revision and replies:
        console.print(Text.assemble((f"{to} ▸ ", "bold cyan"), _visible(plain(thread.text))))
    for reply in replies:
        console.print(Text.assemble((f"{to} ▸ {thread.thread} ", "dim"), _visible(plain(reply.text))))


def _shown(outbox: Outbox, delivery: Delivery) -> None:
    """Shown is delivered."""
    thread = delivery.thread
    if thread.sent_revision < thread.revision:
        outbox.head_state(thread.thread, sent_revision=thread.revision, state="shown", last_error=None)
    for reply in delivery.replies:
        outbox.reply_state(reply.key, state="shown", sent_at=datetime.now(UTC), last_error=None)


def _visible(text: str) -> str:
    # An article's text must not move the cursor or rename the window.
    return "".join(c for c in text if c == "\n" or c.isprintable())
