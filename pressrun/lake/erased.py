"""Rows about readers, and those that may not come back: the block list that every commit is held against.

A reader is known here by a pseudonym, which is a keyed hash already (`pressrun.ingest.readers`); the block list holds
a hash of that, so that nothing in the lake names an erased reader, and nobody needs the key to keep one out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pressrun.lake import delta, reading
from pressrun.lake.delta import File, Location, Retention
from pressrun.lake.digest import content_digest
from pressrun.lake.errors import DatasetGoneError, ErasedError, LakeError, OvertakenError
from pressrun.lake.tables import HOUSE, SCHEMAS
from pressrun.lake.types import DatasetRef
from pressrun.lake.writing import Check, Intent, Landed, commit_once

TABLE = "erased"
KINDS = {"reader_id": "reader", "impression_id": "impression", "slate_id": "slate"}
# Whatever a training row is about stands in this column of maps.
ENTITIES = "entities"
NOT_YET = -1


class ErasedSince(Exception):
    """A reader was erased while rows were on their way; they are looked through again."""


def hashed(kind: str, value: str) -> str:
    """64 hex digits: what the block list holds for a reader's pseudonym, an impression or a slate."""
    return hashlib.sha256(f"pressrun erased {kind}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()


def reader_columns(schema: pa.Schema) -> tuple[str, ...]:
    """The columns by which a row leads to a reader."""
    return tuple(name for name in schema.names if name in KINDS or name == ENTITIES)


def reader_tables(schemas: Mapping[str, pa.Schema] = SCHEMAS) -> tuple[str, ...]:
    """The tables that have such columns: none is forgotten, since none is listed."""
    return tuple(sorted(table for table, schema in schemas.items() if reader_columns(schema)))


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """Hashes by kind."""

    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.hashes.values())

    def has(self, kind: str, value: str) -> bool:
        return hashed(kind, value) in self.hashes.get(kind, frozenset())

    def rows(self, table: pa.Table) -> pa.ChunkedArray:
        """A mask of the rows that lead to what is blocked: n booleans, never null."""
        masks = [self._mask(name, table[name]) for name in table.column_names if name in KINDS or name == ENTITIES]
        none = pa.chunked_array([pa.repeat(pa.scalar(False), table.num_rows)])
        whole = none
        for mask in masks:
            whole = pc.or_(whole, mask)
        return whole

    def without(self, table: pa.Table) -> pa.Table:
        return table.filter(pc.invert(self.rows(table))) if self else table

    def _mask(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if name == ENTITIES:
            return pa.chunked_array([pa.array([self._leads(value) for value in column.to_pylist()], pa.bool_())])
        kind = KINDS[name]
        found = [value for value in column.unique().to_pylist() if value is not None and self.has(kind, value)]
        return pc.fill_null(pc.is_in(column, value_set=pa.array(found, column.type)), False)

    def _leads(self, entities: object) -> bool:
        values = [str(value) for _, value in entities or ()]  # type: ignore[attr-defined]
        return any(self.has(kind, value) for value in values for kind in KINDS.values())


@dataclass(frozen=True, kw_only=True)
class BlockList:
    """What is blocked, and as of which version of the table."""

    location: Location
    version: int
    blocked: Blocked

    def still(self, _table: DeltaTable) -> None:
        """Raises ErasedSince when a reader was erased since the list was read."""
        present = self.location.open()
        if (present.version() if present else NOT_YET) != self.version:
            raise ErasedSince


def block_list(location: Location) -> BlockList:
    """Reads the table at `location`; empty where there is none yet."""
    table = location.open()
    if table is None:
        return BlockList(location=location, version=NOT_YET, blocked=Blocked())
    hashes: dict[str, set[str]] = {}
    for file in delta.files_of(table):
        rows = delta.read_file(location, file).select(["kind", "hash"])
        for kind, digest in zip(rows["kind"].to_pylist(), rows["hash"].to_pylist(), strict=True):
            hashes.setdefault(kind, set()).add(digest)
    kept = {kind: frozenset(values) for kind, values in hashes.items()}
    return BlockList(location=location, version=table.version(), blocked=Blocked(hashes=kept))


def commit_rows(
    intent: Intent,
    rows: pa.Table,
    *,
    location: Location,
    erased: Location,
    schema: pa.Schema,
    retention: Retention,
    pipeline: str,
    check: Check,
) -> Landed:
    """`commit_once` of rows that fit their table, but for those of erased readers.

    Who erases blocks first, then changes the table's metadata, which fails every commit that was begun before it.
    """

    def attempt(blocked: Blocked, still: Check) -> Landed:
        write = _writer(location, blocked.without(rows), pipeline=pipeline, step_key=intent.step_key)
        both = _both(check, still)
        return commit_once(intent, location=location, schema=schema, retention=retention, write=write, check=both)

    return _held_against(erased, schema, attempt)


def commit_found(
    intent: Intent,
    paths: Sequence[str],
    *,
    location: Location,
    erased: Location,
    schema: pa.Schema,
    retention: Retention,
    stamps: Mapping[str, object],
) -> Landed:
    """The same for Parquet files that something else wrote below the table's folder.

    Raises OvertakenError when an erasure took such a file, which held other readers' rows as well: it must be written
    anew.
    """
    adopted: dict[str, File | None] = {}

    def write(blocked: Blocked) -> list[File]:
        for path in paths:
            try:
                if path not in adopted:
                    adopted[path] = delta.adopt(location, path, table=intent.table, schema=schema, stamps=stamps)
                adopted[path] = _taken(location, adopted[path], blocked)
            except FileNotFoundError as gone:
                raise OvertakenError(_taken_away(intent, path)) from gone
        return [file for file in adopted.values() if file is not None]

    def attempt(blocked: Blocked, still: Check) -> Landed:
        written = partial(write, blocked)
        return commit_once(intent, location=location, schema=schema, retention=retention, write=written, check=still)

    return _held_against(erased, schema, attempt)


def _held_against(erased: Location, schema: pa.Schema, attempt: Callable[[Blocked, Check], Landed]) -> Landed:
    """Tries with the block list as it is, again while readers are being erased."""
    if not reader_columns(schema):
        return attempt(Blocked(), lambda table: None)
    while True:
        known = block_list(erased)
        try:
            return attempt(known.blocked, known.still)
        except ErasedSince:
            continue


def _taken(location: Location, file: File | None, blocked: Blocked) -> File | None:
    """The same of a file that no version holds: what it is made into stands for it."""
    left = rewritten(location, file, blocked) if file else None
    if file and left is not file:
        location.filesystem.delete_file(file.path)
    return left


def _taken_away(intent: Intent, path: str) -> str:
    return (
        f"{path}, which {intent.step_key} wrote, is gone: a reader was erased meanwhile, and it held rows of theirs. "
        "The step must write it anew"
    )


def rewritten(location: Location, file: File, blocked: Blocked) -> File | None:
    """A file with the rows that are not blocked: this one where that is all of them, None where there are none.

    The file itself is left where it is: the caller knows whether a version holds it.
    """
    if not blocked:
        return file
    rows = delta.read_file(location, file)
    left = blocked.without(rows)
    if left.num_rows == rows.num_rows:
        return file
    own = [name for name in left.column_names if name not in HOUSE.names]
    return delta.write_file(location, left, content_digest(left.select(own))) if left.num_rows else None


def told(gone: DatasetGoneError, dataset: DatasetRef, location: Location, erasures: Location) -> DatasetGoneError:
    """The same error, or the one that says how many of the dataset's rows went with erased readers."""
    counts = files_erased(erasures, dataset.table)
    try:
        held = {file.path for file in reading.files(location, dataset)} if counts else set()
    except LakeError:
        return gone
    rows = sum(counts.get(path, 0) for path in held)
    return erased_error(dataset, rows) if rows else gone


def erased_error(dataset: DatasetRef, rows: int) -> ErasedError:
    """For a dataset of which so many rows are gone."""
    return ErasedError(
        f"{dataset} had {dataset.rows:,} rows, and {rows:,} of them were erased with the readers whom they led to; "
        "table erasures has who asked, when and why. What is left of its steps is in the newest version; what was made "
        "from the whole cannot be made again",
        rows=rows,
    )


def files_erased(erasures: Location, table: str) -> dict[str, int]:
    """How many rows went from each file of the table, by the file's path."""
    present, found = erasures.open(), dict[str, int]()
    for file in delta.files_of(present) if present else []:
        for entry in delta.read_file(erasures, file)["files"].to_pylist():
            for name, count in entry or ():
                of_table, _, path = name.partition("/")
                if of_table == table:
                    found[path] = max(found.get(path, 0), int(count))
    return found


def _both(first: Check, second: Check) -> Check:
    def check(table: DeltaTable) -> None:
        first(table)
        second(table)

    return check


def _writer(location: Location, rows: pa.Table, *, pipeline: str, step_key: str) -> Callable[[], list[File]]:
    def write() -> list[File]:
        if not rows.num_rows:
            return []
        values = (pipeline, step_key, datetime.now(UTC))
        house = [pa.repeat(pa.scalar(v, f.type), rows.num_rows) for v, f in zip(values, HOUSE, strict=True)]
        stamped = pa.table([*house, *rows.columns], schema=pa.schema([*HOUSE, *rows.schema]))
        return [delta.write_file(location, stamped, content_digest(rows))]

    return write
