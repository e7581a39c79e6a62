"""Opens the operational database and makes its tables, however many processes do so at once."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.schema import CreateIndex, CreateTable

from pressrun.config.room import room
from pressrun.jobs.tables import METADATA

BUSY_SECONDS = 30


def open_database(url: str) -> Engine:
    """The engine for `url` (`sqlite:///file.db` or `postgresql://...`), its tables made; one a process and URL."""
    return _open(url, os.getpid())


@lru_cache(maxsize=16)
def _open(url: str, _process: int) -> Engine:
    # A forked child (every Airflow task is one) must not share its parent's connections, hence the process in the key.
    parsed = make_url(url)
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError(f"the operational database is SQLite or PostgreSQL, not {parsed.get_backend_name()!r}")
    engine = _sqlite(url, parsed.database) if parsed.get_backend_name() == "sqlite" else _postgresql(url)
    _make_tables(engine)
    return engine


def _sqlite(url: str, database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise ValueError("the operational database is shared by processes: give a file, sqlite:////path/to/pressrun.db")
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN is deferred: two readers that both go on to write would fail instead of waiting.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads") else "BEGIN IMMEDIATE")


def _postgresql(url: str) -> Engine:
    # A stricter level, which a server may have as its default, would read as of before the wait for the lock.
    return create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")


def _make_tables(engine: Engine) -> None:
    # What is there is left alone: even IF NOT EXISTS locks the table, against whoever is writing to several of them.
    for made in _missing(engine):
        with writing(engine, lock="pressrun tables") as connection:
            connection.execute(made)


def _missing(engine: Engine) -> list[CreateTable | CreateIndex]:
    with reading(engine) as connection:
        there = inspect(connection)
        tables = METADATA.tables.keys() & there.get_table_names()
        indexes = {index["name"] for table in tables for index in there.get_indexes(table)}
    needed: list[CreateTable | CreateIndex] = []
    for table in METADATA.sorted_tables:
        needed += [CreateTable(table, if_not_exists=True)] if table.name not in tables else []
        needed += [CreateIndex(index, if_not_exists=True) for index in table.indexes if index.name not in indexes]
    return needed


def _room(engine: Engine) -> AbstractContextManager[None]:
    """A server's disk is its own; a file's is named where it is full."""
    return room(Path(engine.url.database or ".").parent) if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and waits for no writer. Raises DiskFull: reading needs a little room, too."""
    with _room(engine), engine.connect().execution_options(reads=True) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine, *, lock: str) -> Iterator[Connection]:
    """A transaction that overlaps none other with `lock`: SQLite has one writer, PostgreSQL an advisory lock.

    Raises DiskFull.
    """
    with _room(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": zlib.crc32(lock.encode())})
        yield connection
