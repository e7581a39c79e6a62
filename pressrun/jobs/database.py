"""Opens the operational database and makes its tables, however many processes do so at once."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from pressrun.config.redact import redacted
from pressrun.config.room import room
from pressrun.jobs.tables import METADATA

BUSY_SECONDS = 30


class DatabaseAway(RuntimeError):
    """The database's server does not answer. A retry helps once it does."""


def open_database(url: str) -> Engine:
    """The engine for `url` (`sqlite:///file.db` or `postgresql://...`), its tables made; one a process and URL."""
    return _open(url, os.getpid())


@lru_cache(maxsize=16)
def _open(url: str, _process: int) -> Engine:
    # A forked child (every Airflow task is one) must not share its parent's connections, hence the process in the key.
    parsed = make_url(url)
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError(f"the operational database is SQLite or PostgreSQL, not {parsed.get_backend_name()!r}")
    engine = _sqlite(url, parsed.database) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
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


def _postgresql(url: URL) -> Engine:
    # What the plain name means to SQLAlchemy changes with its version; what is installed here does not.
    named = url.set(drivername="postgresql+psycopg2") if url.drivername == "postgresql" else url
    try:
        # A stricter level, which a server may have as its default, would read as of before the wait for the lock.
        return create_engine(named, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except ModuleNotFoundError as missing:
        raise ValueError(f"{missing.name}, which `database` names, is not installed; write postgresql://") from missing


def _make_tables(engine: Engine) -> None:
    # What is there is left alone: even IF NOT EXISTS locks the table, against whoever is writing to several of them.
    for made in _missing(engine):
        with writing(engine, lock="pressrun tables") as connection:
            if not isinstance(made, _AddColumn) or made.needed(connection):
                connection.execute(made)


def _missing(engine: Engine) -> list[CreateTable | CreateIndex | _AddColumn]:
    with reading(engine) as connection:
        there = inspect(connection)
        columns = {
            table: {column["name"] for column in there.get_columns(table)}
            for table in METADATA.tables.keys() & there.get_table_names()
        }
        indexes = {index["name"] for table in columns for index in there.get_indexes(table)}
    needed: list[CreateTable | CreateIndex | _AddColumn] = []
    for table in METADATA.sorted_tables:
        known = columns.get(table.name)
        needed += [CreateTable(table, if_not_exists=True)] if known is None else []
        needed += [_AddColumn(one) for one in table.columns if known is not None and one.name not in known]
        needed += [CreateIndex(index, if_not_exists=True) for index in table.indexes if index.name not in indexes]
    return needed


class _AddColumn(ExecutableDDLElement):
    """A column that a later release has; it may be null in what an earlier one wrote."""

    inherit_cache = False

    def __init__(self, column: Column[Any]) -> None:
        self.column = column

    def needed(self, connection: Connection) -> bool:
        """Whether no other process has added it meanwhile."""
        there = inspect(connection).get_columns(self.column.table.name)
        return self.column.name not in {column["name"] for column in there}


@compiles(_AddColumn)
def _add_column(element: _AddColumn, compiler: Any, **named: Any) -> str:
    specification = compiler.get_column_specification(element.column)
    return f"ALTER TABLE {compiler.preparer.format_table(element.column.table)} ADD COLUMN {specification}"


def clock(connection: Connection) -> datetime:
    """The time by which leases and deadlines are reckoned: a server's own, whatever its clients' clocks say."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now.astimezone(UTC)


@contextmanager
def _answering(engine: Engine) -> Iterator[None]:
    """Names the server that does not answer, or the folder whose disk is full."""
    if engine.dialect.name == "sqlite":
        with room(Path(engine.url.database or ".").parent):
            yield
        return
    try:
        yield
    except DBAPIError as error:
        if not _is_away(error):
            raise
        raise DatabaseAway(_away(engine, error)) from error


def _is_away(error: DBAPIError) -> bool:
    """Connection exceptions, too many of them, a server that starts or stops; without a code it never answered."""
    code = getattr(error.orig, "pgcode", None)
    return isinstance(error, OperationalError | InterfaceError) and (code is None or code[:2] in ("08", "53", "57"))


def _away(engine: Engine, error: DBAPIError) -> str:
    said = redacted(str(error.orig).strip().partition("\n")[0])
    return (
        f"the operational database at {engine.url.render_as_string(hide_password=True)} does not answer ({said}). "
        "Start it, or set `database` of the environment's file to where it runs, then run this again or clear its "
        "task: what was written there stays, and nobody is asked or paid twice"
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and waits for no writer.

    Raises DatabaseAway, and DiskFull: reading needs a little room, too.
    """
    with _answering(engine), engine.connect().execution_options(reads=True) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine, *, lock: str) -> Iterator[Connection]:
    """A transaction that overlaps none other with `lock`: SQLite has one writer, PostgreSQL an advisory lock.

    Raises DatabaseAway and DiskFull.
    """
    with _answering(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": zlib.crc32(lock.encode())})
        yield connection
