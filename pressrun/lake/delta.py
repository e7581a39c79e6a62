"""The only place that speaks to deltalake: one table, its files, and an atomic commit on a known snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from pressrun.lake import stores
from pressrun.lake.digest import content_digest
from pressrun.lake.errors import LakeError, SchemaError
from pressrun.lake.refusals import explained
from pressrun.lake.schema import conform
from pressrun.lake.tables import HOUSE

# Columns whose least and greatest value stand in the log: enough to find a step's files without opening any.
_INDEXED = ("pipeline", "step_key", "fingerprint", "state")


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a table remembers, in days.

    `log`: versions that can still be named. `files`: files that no version since then holds.
    `transactions`: after it a step's key is only known by its rows, so a retry of a step without any may repeat it.
    Delta's own clean-up of the log knows no more than an age; `pressrun.lake.retention` knows what is still needed.
    """

    log: int = 365
    files: int = 365
    transactions: int = 400

    @property
    def properties(self) -> dict[str, str]:
        return {
            "delta.enableExpiredLogCleanup": "false",
            # Opening a table reads every commit since the newest checkpoint, in a bucket one request and more for each.
            "delta.checkpointInterval": "10",
            "delta.logRetentionDuration": f"interval {self.log} days",
            # Of a file that was taken out a day ago some reader may still be in need.
            "delta.deletedFileRetentionDuration": f"interval {max(self.files, 1)} days",
            "delta.setTransactionRetentionDuration": f"interval {self.transactions} days",
        }


@dataclass(frozen=True, kw_only=True)
class File:
    """One Parquet file of a table: its path below the table's folder, and whose rows it holds."""

    path: str
    size: int
    rows: int
    pipeline: str
    step_key: str
    digest: str
    fingerprint: str = ""
    state: str = ""
    written: int = 0


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where a table is and how to reach it."""

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict)

    def open(self, version: int | None = None) -> DeltaTable | None:
        """The table, or None when it has not been created."""
        try:
            with explained(self.uri):
                return DeltaTable(self.uri, version=version, storage_options=self.options)
        except TableNotFoundError:
            return None

    def open_or_create(self, schema: pa.Schema, retention: Retention) -> DeltaTable:
        """The table at its newest version; of several that create it at once, one does and the others open it."""
        return self.open() or self._create(schema, retention)

    def _create(self, schema: pa.Schema, retention: Retention) -> DeltaTable:
        nullable = pa.schema([column.with_nullable(True) for column in (*HOUSE, *schema)])
        try:
            with explained(self.uri):
                return DeltaTable.create(
                    self.uri,
                    nullable,
                    configuration=retention.properties,
                    storage_options=self.options,
                    # Tried again it would be the second version, another table's metadata in the place of the first's.
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
        except DeltaError:
            table = self.open()
            if table is None:
                raise
            return table

    @property
    def options(self) -> dict[str, str]:
        """What deltalake is opened with."""
        return stores.patient(self.uri, self.storage_options)

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The table's own folder as a file system."""
        return stores.filesystem(self.uri, self.storage_options)


def write_file(location: Location, rows: pa.Table, digest: str) -> File:
    """Writes `rows`, all of one step, as a new file that no version holds yet.

    Its name carries the digest, so that a snapshot is named without reading it.
    """
    path = f"part-{digest}-{uuid4().hex[:12]}.parquet"
    content = pa.BufferOutputStream()
    pq.write_table(rows, content, compression="zstd")
    whole = content.getvalue()
    with explained(location.uri), location.filesystem.open_output_stream(path) as out:
        out.write(whole)
    indexed: dict[str, Any] = {n: rows[n][0].as_py() or "" for n in _INDEXED if n in rows.column_names}
    return File(
        path=path,
        size=whole.size,
        rows=rows.num_rows,
        digest=digest,
        **indexed,
    )


def adopt(location: Location, path: str, *, table: str, schema: pa.Schema, stamps: Mapping[str, object]) -> File:
    """Takes over a Parquet file written below the table's folder: checks it, and renames it to carry its digest.

    Raises SchemaError for rows that do not fit or are not stamped as this step's.
    """
    filesystem = location.filesystem
    relative = path.removeprefix("file://").removeprefix(location.uri).lstrip("/")
    rows = pq.read_table(relative, filesystem=filesystem)
    for name in ("pipeline", "step_key"):
        found = rows[name].unique().to_pylist() if name in rows.column_names else []
        if found != [stamps[name]]:
            raise SchemaError(f"{table}.{name} in {path} must be {stamps[name]!r} in every row, found {found[:3]}")
    digest = content_digest(conform(table, rows, schema))
    name = f"part-{digest}-{uuid4().hex[:12]}.parquet"
    filesystem.move(relative, name)
    size = filesystem.get_file_info(name).size
    return File(
        path=name,
        size=size,
        rows=rows.num_rows,
        digest=digest,
        pipeline=str(stamps["pipeline"]),
        step_key=str(stamps["step_key"]),
    )


def read_file(location: Location, file: File) -> pa.Table:
    """One file, with the columns that the table had when it was written."""
    with explained(location.uri):
        return pq.read_table(file.path, filesystem=location.filesystem)


def commit(
    table: DeltaTable,
    *,
    add: Sequence[File],
    remove: Sequence[File],
    app: str,
    sequence: int,
    note: Mapping[str, str],
    queue: str = "",
) -> None:
    """Adds and removes files in one version.

    Raises CommitFailedError when, since `table` was read, another commit carried the same `app` or `queue`, or removed
    such a file.
    """
    queued = {queue: table.version() + 1} if queue else {}
    commit_all(table, add=add, remove=remove, transactions={app: sequence, **queued}, note=note)


def commit_all(
    table: DeltaTable,
    *,
    add: Sequence[File],
    remove: Sequence[File],
    transactions: Mapping[str, int],
    note: Mapping[str, str],
) -> None:
    """The same for several applications at once, each with its sequence. A file that says when it was written keeps it.

    Raises CommitFailedError when, since `table` was read, another commit carried one of them, or removed such a file.
    """
    now = int(time.time() * 1000)
    actions = [_added(file, now) for file in add] + [RemoveAction(f.path, True, now, f.size, {}) for f in remove]
    applications = [Transaction(app, sequence, now) for app, sequence in transactions.items()]
    properties = CommitProperties(custom_metadata=dict(note), app_transactions=applications)
    with explained(table.table_uri):
        table.create_write_transaction(actions, "append", table.schema(), [], commit_properties=properties)


def _added(file: File, now: int) -> AddAction:
    keys = {name: value for name in _INDEXED if (value := getattr(file, name))}
    stats = {"numRecords": file.rows, "minValues": keys, "maxValues": keys, "nullCount": dict.fromkeys(keys, 0)}
    return AddAction(file.path, file.size, {}, file.written or now, True, json.dumps(stats))


def files_of(table: DeltaTable) -> list[File]:
    """The files of this version, from the log alone."""
    with explained(table.table_uri):
        return [_file(row) for row in pa.table(table.get_add_actions(flatten=True)).to_pylist()]


def _file(row: Mapping[str, object]) -> File:
    path = str(row["path"])
    if row["min.step_key"] is None or row["min.step_key"] != row["max.step_key"]:
        raise LakeError(
            f"{path} holds rows of several steps, so something other than Pressrun rewrote this table (OPTIMIZE?); "
            "restore the version before that"
        )
    parts = path.rsplit("/", 1)[-1].split("-")
    return File(
        path=path,
        size=int(str(row["size_bytes"])),
        rows=int(str(row["num_records"])),
        pipeline=str(row["min.pipeline"]),
        step_key=str(row["min.step_key"]),
        digest=parts[1] if len(parts) > 1 and len(parts[1]) == 64 else "",
        fingerprint=str(row.get("min.fingerprint") or ""),
        state=str(row.get("min.state") or ""),
        written=int(str(row["modification_time"])),
    )


def version_of(table: DeltaTable, *, app: str, sequence: int, after: int | None = None) -> tuple[int, str]:
    """The version and fingerprint of the commit of (app, sequence); the present version when the log forgot it.

    It is sought among the commits `after` a version, by default among all: each that is looked at is a file to read.
    Where the log has gaps (see `pressrun.lake.retention`) deltalake counts commits instead of reading their versions,
    so an entry's version is looked up.
    """
    history = table.history(None if after is None else table.version() - after)
    for place, entry in enumerate(history):
        if entry.get("pressrun.app") == app and int(entry.get("pressrun.sequence", 0)) == sequence:
            whole = len(history) == table.version() + 1
            version = int(entry["version"]) if whole else _committed_as(table, place)
            return version, str(entry.get("pressrun.fingerprint", ""))
    return table.version(), ""


def _committed_as(table: DeltaTable, place: int) -> int:
    """The version of the commit at this place of the history, the newest first."""
    filesystem = Location(uri=table.table_uri, storage_options=dict(table._storage_options or {})).filesystem
    names = (info.base_name for info in filesystem.get_file_info(pafs.FileSelector("_delta_log")))
    versions = sorted((int(n.removesuffix(".json")) for n in names if n.endswith(".json")), reverse=True)
    return [version for version in versions if version <= table.version()][place]


def add_columns(table: DeltaTable, schema: pa.Schema) -> bool:
    """Adds the columns that `schema` has and the table lacks; True when there were any."""
    known = {column.name for column in table.schema().fields}
    new = [column.with_nullable(True) for column in schema if column.name not in known]
    if new:
        table.alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
    return bool(new)
