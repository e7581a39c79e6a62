"""Alerts on their way: a thread a model version, its first message kept up to date, replies in order.

Nothing here talks to Slack: `pressrun.alerts` takes a thread, delivers what is due and records what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, and_, insert, or_, select, update

from pressrun.jobs.database import clock, reading, writing
from pressrun.jobs.tables import MESSAGES as M
from pressrun.jobs.tables import THREADS as T

State = Literal["waiting", "sending", "sent", "shown"]
"""`sending`: an attempt began and its outcome is unknown. `shown`: on the terminal, which was enough."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A reply in a thread; `key` is unique over all alerts."""

    key: str
    thread: str
    text: str
    state: State
    slack_ts: str | None
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A thread's first message, at its newest revision, and how much of it is delivered."""

    thread: str
    pipeline: str
    channel: str | None
    text: str
    links: dict[str, str]
    revision: int
    sent_revision: int
    state: State
    slack_channel: str | None
    slack_ts: str | None
    attempts: int
    last_error: str | None
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A thread that this process alone may deliver for a while, with the replies that are due."""

    thread: Thread
    replies: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A thread with something undelivered since, and what the last attempt met."""

    thread: str
    pipeline: str
    since: datetime
    last_error: str | None


class Outbox:
    """Alerts of every pipeline. What is added stays until it is delivered, whoever dies meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        *,
        key: str,
        thread: str,
        pipeline: str,
        channel: str | None,
        text: str,
        headline: str | None = None,
        links: Mapping[str, str] | None = None,
    ) -> bool:
        """Adds a reply once a `key` and makes `headline` the thread's first message. False: the key was there."""
        now = datetime.now(UTC)
        with writing(self._engine, lock="alerts") as connection:
            if connection.execute(select(M.c.number).where(M.c.key == key)).first():
                return False
            _head(connection, thread, pipeline, channel, headline, dict(links or {}), first=text, now=now)
            row = {"key": key, "thread": thread, "text": text, "state": "waiting", "attempts": 0, "created_at": now}
            connection.execute(insert(M).values(row))
        return True

    def take(self, *, holder: str, lasting: timedelta, now: datetime | None = None) -> list[Delivery]:
        """Every thread with something due that nobody else is delivering; release each with `release`."""
        due = select(M.c.thread).where(M.c.state.in_(("waiting", "sending")))
        behind = or_(T.c.sent_revision < T.c.revision, T.c.state == "sending", T.c.thread.in_(due))
        with writing(self._engine, lock="alerts") as connection:
            at = now or clock(connection)
            free = or_(T.c.holder.is_(None), T.c.holder == holder, T.c.held_until <= at)
            threads = connection.execute(select(T).where(and_(free, behind)).order_by(T.c.updated_at)).all()
            held = update(T).where(T.c.thread.in_([row.thread for row in threads]))
            connection.execute(held.values(holder=holder, held_until=at + lasting))
            return [Delivery(thread=_thread(row), replies=_due(connection, row.thread)) for row in threads]

    def release(self, thread: str, *, holder: str) -> None:
        """Lets others deliver the thread."""
        self._thread(thread, T.c.holder == holder, holder=None, held_until=None)

    def head_state(self, thread: str, **values: Any) -> None:
        """Records what became of the first message: any of Thread's fields."""
        self._thread(thread, None, **values)

    def reply_state(self, key: str, **values: Any) -> None:
        """Records what became of a reply: any of Message's fields."""
        with writing(self._engine, lock="alerts") as connection:
            connection.execute(update(M).where(M.c.key == key).values(values))

    def stuck(self, *, before: datetime) -> list[Stuck]:
        """The threads with something from before then that is not delivered, the longest first."""
        late = and_(M.c.state.in_(("waiting", "sending")), M.c.created_at <= before)
        head = and_(or_(T.c.sent_revision < T.c.revision, T.c.state == "sending"), T.c.updated_at <= before)
        with reading(self._engine) as connection:
            oldest = {row.thread: row for row in connection.execute(select(M).where(late).order_by(M.c.number.desc()))}
            held = or_(head, T.c.thread.in_(list(oldest)))
            rows = connection.execute(select(T).where(held)).all()
        found = [_stuck(row, oldest.get(row.thread)) for row in rows]
        return sorted(found, key=lambda one: one.since)

    def threads(self, *, pipeline: str) -> list[Thread]:
        """The pipeline's threads, the newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(T).where(T.c.pipeline == pipeline).order_by(T.c.updated_at.desc())).all()
        return [_thread(row) for row in rows]

    def messages(self, *, thread: str) -> list[Message]:
        """The thread's replies, the oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(M).where(M.c.thread == thread).order_by(M.c.number)).all()
        return [_message(row) for row in rows]

    def _thread(self, thread: str, also: Any, **values: Any) -> None:
        chosen = T.c.thread == thread
        with writing(self._engine, lock="alerts") as connection:
            connection.execute(update(T).where(chosen if also is None else and_(chosen, also)).values(values))


def _head(
    connection: Connection,
    thread: str,
    pipeline: str,
    channel: str | None,
    headline: str | None,
    links: dict[str, str],
    *,
    first: str,
    now: datetime,
) -> None:
    row = connection.execute(select(T).where(T.c.thread == thread)).one_or_none()
    if row is None:
        fixed = {"thread": thread, "pipeline": pipeline, "channel": channel, "state": "waiting", "attempts": 0}
        news = {"text": headline or first, "links": links, "revision": 1, "sent_revision": 0, "updated_at": now}
        connection.execute(insert(T).values({**fixed, **news}))
    elif headline is not None:
        news = {"text": headline, "links": {**row.links, **links}, "revision": row.revision + 1, "updated_at": now}
        connection.execute(update(T).where(T.c.thread == thread).values(news))


def _stuck(thread: Any, reply: Any) -> Stuck:
    since = min(one for one in (reply.created_at if reply else None, thread.updated_at) if one is not None)
    error = thread.last_error or (reply.last_error if reply else None)
    return Stuck(thread=thread.thread, pipeline=thread.pipeline, since=since, last_error=error)


def _due(connection: Connection, thread: str) -> tuple[Message, ...]:
    due = and_(M.c.thread == thread, M.c.state.in_(("waiting", "sending")))
    return tuple(_message(row) for row in connection.execute(select(M).where(due).order_by(M.c.number)).all())


def _thread(row: Any) -> Thread:
    return Thread(**{name: getattr(row, name) for name in Thread.__dataclass_fields__})


def _message(row: Any) -> Message:
    return Message(**{name: getattr(row, name) for name in Message.__dataclass_fields__})
