"""Keeps a table small: few files, a checkpoint, a log and old files no longer than needed.

What somebody still needs is pinned, a version of the table by who needs it: its log entries and its files stay,
however short the retention. Every step may be killed and repeated, and two may run at once: a rewrite is one commit,
and what is deleted was named by no version that is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from pressrun.lake import delta
from pressrun.lake.compaction import TARGET_BYTES, Compacted, bundles, compact
from pressrun.lake.delta import Location, Retention
from pressrun.lake.log import Log, read_log, tombstones

Pins = Mapping[int, frozenset[str]]
# Whoever reads has opened its version, and whoever writes commits its file, within a day.
GRACE = timedelta(days=1)
_COMMITS_A_CHECKPOINT = 20


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How a table is kept. `grace` guards readers and writers under way; nothing younger is deleted."""

    retention: Retention
    grace: timedelta = GRACE
    target: int = TARGET_BYTES
    dry_run: bool = False

    def cutoff(self, days: int, now: datetime) -> datetime:
        return now - max(timedelta(days=days), self.grace)


@dataclass(frozen=True, kw_only=True)
class TableKept:
    """What became of one table. `pinned` are versions kept for who needs them; `lost` cannot be read any more."""

    table: str
    files_before: int = 0
    files_after: int = 0
    compacted: Compacted = field(default_factory=Compacted)
    deleted: int = 0
    freed: int = 0
    log_before: int = 0
    log_after: int = 0
    pinned: Pins = field(default_factory=dict)
    lost: Pins = field(default_factory=dict)


def keep_table(
    location: Location, table: str, *, schema: pa.Schema, pins: Pins, keeping: Keeping, now: datetime | None = None
) -> TableKept:
    """Compacts, checkpoints, cleans the log and vacuums. With `dry_run` it only counts."""
    at, opened = now or datetime.now(UTC), location.open()
    if opened is None:
        return TableKept(table=table)
    before = delta.files_of(opened)
    if not keeping.dry_run:
        set_properties(location, keeping.retention)
    compacted = _compact(location, before, schema, keeping)
    if not keeping.dry_run:
        _checkpoint(location)
    log = read_log(location)
    wanted, lost = _wanted(location, log, pins)
    # The files first: a version whose files are gone says so when it is read, one whose log is gone cannot say why.
    deleted, freed = _vacuum(location, wanted, keeping, at)
    log_deleted, log_freed = _clean_log(location, wanted, keeping, at)
    entries = len(log.commits) + sum(map(len, log.checkpoints.values()))
    return TableKept(
        table=table,
        files_before=len(before),
        files_after=len(delta.files_of(_opened(location))) if not keeping.dry_run else len(before) - compacted.before,
        compacted=compacted,
        deleted=deleted,
        freed=freed + log_freed,
        log_before=entries,
        log_after=entries - log_deleted,
        pinned={version: pins[version] for version in wanted},
        lost={version: pins[version] for version in lost},
    )


def set_properties(location: Location, retention: Retention) -> None:
    """Brings an older table's retention up to date; another who does so at once has done it."""
    table = _opened(location)
    known = table.metadata().configuration
    if all(known.get(name) == value for name, value in retention.properties.items()):
        return
    try:
        table.alter.set_table_properties(retention.properties)
    except CommitFailedError:
        set_properties(location, retention)


def _compact(location: Location, files: Sequence[delta.File], schema: pa.Schema, keeping: Keeping) -> Compacted:
    todo = bundles(files, target=keeping.target)
    if keeping.dry_run:
        return Compacted(before=sum(map(len, todo)), after=len(todo))
    return sum((compact(location, bundle, schema) for bundle in todo), Compacted())


def _checkpoint(location: Location) -> None:
    log = read_log(location)
    if log.newest - log.last_checkpoint >= _COMMITS_A_CHECKPOINT:
        _opened(location).create_checkpoint()


def _wanted(location: Location, log: Log, pins: Pins) -> tuple[dict[int, DeltaTable], list[int]]:
    """The pinned versions, opened; and those that cannot be opened any more."""
    found: dict[int, DeltaTable] = {}
    lost = []
    for version in sorted(pins):
        try:
            opened = location.open(version)
        except DeltaError:
            opened = None
        if opened is None:
            lost.append(version)
        else:
            found[version] = opened
    return found, lost


def _clean_log(location: Location, wanted: Collection[int], keeping: Keeping, now: datetime) -> tuple[int, int]:
    log = read_log(location)
    kept = {*log.since(keeping.cutoff(keeping.retention.log, now)), *wanted}
    young = now - keeping.grace
    old = [entry for entry in log.removable(kept) if entry.at <= young]
    if not keeping.dry_run:
        _delete(location, [entry.path for entry in old])
    return len(old), sum(entry.size for entry in old)


def _vacuum(location: Location, wanted: Mapping[int, DeltaTable], keeping: Keeping, now: datetime) -> tuple[int, int]:
    # Listed before the log is read: what a writer adds from here on is in no list.
    listed = data_files(location)
    log, newest = read_log(location), _opened(location)
    since = keeping.cutoff(keeping.retention.files, now).timestamp() * 1000
    held = {path for path, at in tombstones(location, log).items() if at > since}
    held |= {file.path for table in (newest, *wanted.values()) for file in delta.files_of(table)}
    young = now - keeping.grace
    old = [info for info in listed if info.path not in held and info.mtime <= young]
    if not keeping.dry_run:
        _delete(location, [info.path for info in old])
    return len(old), sum(info.size or 0 for info in old)


def data_files(location: Location) -> list[pafs.FileInfo]:
    """Every Parquet file below the table's folder, whoever wrote it; none of the log's or of another hidden folder."""
    found = location.filesystem.get_file_info(pafs.FileSelector("", recursive=True))
    return [info for info in found if info.type == pafs.FileType.File and _is_data(info.path)]


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not any(part.startswith(("_", ".")) for part in path.split("/"))


def _delete(location: Location, paths: Sequence[str]) -> None:
    filesystem = location.filesystem
    for path in paths:
        try:
            filesystem.delete_file(path)
        except FileNotFoundError:
            continue  # Another maintenance was faster.


def _opened(location: Location) -> DeltaTable:
    table = location.open()
    if table is None:
        raise FileNotFoundError(f"{location.uri} was removed while it was being maintained")
    return table
