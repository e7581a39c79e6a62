"""The tables of the operational database. Times are UTC; money is in billionths of a dollar, exact in integers.

Text has no length: SQLite ignores one, and PostgreSQL would refuse the run id that Airflow allows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Float, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

METADATA = MetaData()


class Utc(TypeDecorator[datetime]):
    """A time with its zone, also where the database (SQLite) keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        found: datetime = value
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


class Told(TypeDecorator[str]):
    """What an error said, whatever is in it: characters that a database refuses (NUL, lone surrogates) as escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00") if value else value


QUESTIONS = Table(
    "questions",
    METADATA,
    Column("question_id", String, primary_key=True),
    Column("pipeline", String, nullable=False, index=True),
    Column("step_key", String, nullable=False, index=True),
    Column("article_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("taxonomy_version", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("holder", String),
    Column("held_until", Utc),
    Column("answer", JSON),
    Column("person", String),
    Column("asked_at", Utc, nullable=False),
    Column("deadline", Utc, nullable=False),
    Column("answered_at", Utc),
)

RESERVATIONS = Table(
    "budget_reservations",
    METADATA,
    Column("reservation_id", String, primary_key=True),
    Column("budget", String, nullable=False, index=True),
    Column("nano_usd", BigInteger, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("at", Utc, nullable=False),
)

THREADS = Table(
    "alert_threads",
    METADATA,
    Column("thread", String, primary_key=True),
    Column("pipeline", String, nullable=False, index=True),
    Column("channel", String),
    Column("text", Told, nullable=False),
    Column("links", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sent_revision", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("slack_channel", String),
    Column("slack_ts", String),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Told),
    Column("holder", String),
    Column("held_until", Utc),
    Column("updated_at", Utc, nullable=False),
)

MESSAGES = Table(
    "alert_messages",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, unique=True),
    Column("thread", String, nullable=False, index=True),
    Column("text", Told, nullable=False),
    Column("state", String, nullable=False),
    Column("slack_ts", String),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Told),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
)

EXTERNAL_JOBS = Table(
    "external_jobs",
    METADATA,
    Column("step_key", String, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("pipeline", String, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("token", String, nullable=False, unique=True),
    Column("inputs", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("trace", String, nullable=False),
    Column("request", JSON(none_as_null=True)),
    Column("handle", JSON(none_as_null=True)),
    Column("state", String, nullable=False, index=True),
    Column("detail", Told, nullable=False),
    Column("failure", String),
    Column("hint", Told, nullable=False),
    Column("progress", Float),
    Column("usage", JSON, nullable=False),
    Column("cost_usd", Float),
    Column("logs", Told, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", String),
    Column("held_until", Utc),
    Column("intended_at", Utc, nullable=False),
    Column("asked_at", Utc),
    Column("submitted_at", Utc),
    Column("seen_at", Utc),
    Column("ended_at", Utc),
)
