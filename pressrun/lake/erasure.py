"""Takes the rows that lead to a reader out of a table: of its newest version, of every older one, of what lies around.

The order is what makes it hold whoever writes meanwhile, and whenever it is killed: what is blocked is committed first;
then the table's metadata changes, so that a commit which was begun before fails and is looked through again; then the
newest version is rewritten; then every other file that holds such a row is deleted, since no commit can name it now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from pressrun.lake import delta
from pressrun.lake.delta import Location
from pressrun.lake.erased import KINDS, TABLE, Blocked, block_list, hashed, reader_columns, rewritten
from pressrun.lake.errors import ConflictError
from pressrun.lake.lake import Lake
from pressrun.lake.retention import data_files
from pressrun.lake.tables import rows_of

# The erasures are nobody's in particular: a reader reads what every pipeline recommends.
EVERY = "*"
FENCE = "pressrun.erasedAt"
_APP = "pressrun.erasure"
_ATTEMPTS = 30


@dataclass(frozen=True, kw_only=True)
class Went:
    """So many rows went from a file; `old`: one of an older version, whose rows were the newest's or replaced."""

    path: str
    rows: int
    old: bool


Tell = Callable[[Went], None]


def block(lake: Lake, subject: str, values: Mapping[str, Collection[str]], *, erasure_id: str) -> None:
    """Blocks the reader whose hash is `subject` ("": blocked before), and what leads to them, by kind, for good."""
    readers = {("reader", subject)} if subject else set()
    wanted = readers | {(kind, hashed(kind, one)) for kind, found in values.items() for one in found}
    while True:
        known = block_list(lake.location(TABLE)).blocked.hashes
        missing = sorted((kind, digest) for kind, digest in wanted if digest not in known.get(kind, ()))
        if not missing:
            return
        rows = [{"kind": kind, "hash": digest, "erasure_id": erasure_id} for kind, digest in missing]
        # Another erasure of this reader may take the sequence; what it did not know is missing still, and comes next.
        sequence = _next_sequence(lake, source := f"erasure/{subject[:32] or erasure_id}")
        lake.append(TABLE, rows_of(TABLE, rows), pipeline=EVERY, source=source, sequence=sequence)


def blocked_for(lake: Lake, subject: str) -> dict[str, frozenset[str]]:
    """What has been blocked on account of the reader, by kind."""
    rows = lake.read(lake.snapshot(TABLE, pipeline=EVERY)).to_pylist()
    mine = [row for row in rows if row["erasure_id"].startswith(subject[:16])]
    return {kind: frozenset(row["hash"] for row in mine if row["kind"] == kind) for kind in KINDS.values()}


def fence(location: Location, lake: Lake) -> None:
    """Fails every commit to the table that was begun before what is blocked now was blocked."""
    at = block_list(lake.location(TABLE)).version
    for _ in range(_ATTEMPTS):
        table = location.open()
        if table is None or int(table.metadata().configuration.get(FENCE, "-1")) >= at:
            return
        try:
            table.alter.set_table_properties({FENCE: str(at)}, raise_if_not_exists=False)
        except CommitFailedError:
            continue
    raise ConflictError(f"{location.uri}: other writers won {_ATTEMPTS} races while a reader was erased; run it again")


def led_to(location: Location, wanted: Blocked, schema: pa.Schema) -> dict[str, set[str]]:
    """The impressions and slates of the readers that are wanted, as any file of the table tells, of any version."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS.values() if kind != "reader"}
    names = [name for name in reader_columns(schema) if name in KINDS]
    if "reader_id" not in names:
        return found
    for info in data_files(location):
        rows = _columns(location, info.path, names)
        mine = rows.filter(wanted.rows(rows.select(["reader_id"]))) if "reader_id" in rows.column_names else rows[:0]
        for name in mine.column_names:
            if KINDS[name] in found:
                found[KINDS[name]] |= {value for value in mine[name].to_pylist() if value is not None}
    return found


def holding(location: Location, wanted: Blocked, schema: pa.Schema) -> dict[str, int]:
    """How many rows of each file lead to who is wanted; files without any are left out. Nothing is changed."""
    names = reader_columns(schema)
    counts = {info.path: _count(location, info.path, names, wanted) for info in data_files(location)}
    return {path: count for path, count in counts.items() if count}


def erase_rows(location: Location, wanted: Blocked, schema: pa.Schema, *, tell: Tell) -> None:
    """Rewrites the newest version without the rows, and deletes every file that still holds one. Fence it first.

    `tell` hears of each file before it goes, and of one that another writer changed meanwhile again.
    """
    names = reader_columns(schema)
    for _ in range(_ATTEMPTS):
        table = location.open()
        if table is None:
            return
        if _rewritten(location, table, names, wanted, tell):
            break
    else:
        raise ConflictError(f"{location.uri}: other writers won {_ATTEMPTS} races while a reader was erased; again")
    _delete_old(location, names, wanted, tell)


def _rewritten(location: Location, table: DeltaTable, names: tuple[str, ...], wanted: Blocked, tell: Tell) -> bool:
    """Whether the newest version is without such rows now."""
    held = [(file, count) for file in delta.files_of(table) if (count := _count(location, file.path, names, wanted))]
    if not held:
        return True
    for file, count in held:
        tell(Went(path=file.path, rows=count, old=False))
    gone = [file for file, _ in held]
    try:
        kept = [new for file in gone if (new := rewritten(location, file, wanted)) is not None]
        note = {"pressrun.erased": str(sum(count for _, count in held))}
        delta.commit(table, add=kept, remove=gone, app=_APP, sequence=table.version() + 1, note=note)
    except (CommitFailedError, FileNotFoundError):
        return False  # Another writer was first, or another erasure took a file.
    return True


def _delete_old(location: Location, names: tuple[str, ...], wanted: Blocked, tell: Tell) -> None:
    # Listed after the fence, so that what no version holds by now is nobody's who is still going to commit it.
    listed = [info.path for info in data_files(location)]
    table = location.open()
    live = {file.path for file in delta.files_of(table)} if table else set()
    for path in listed:
        count = _count(location, path, names, wanted) if path not in live else 0
        if count:
            tell(Went(path=path, rows=count, old=True))
            try:
                location.filesystem.delete_file(path)
            except FileNotFoundError:
                continue


def _count(location: Location, path: str, names: tuple[str, ...], wanted: Blocked) -> int:
    try:
        rows = _columns(location, path, names)
    except FileNotFoundError:
        return 0  # Gone with another erasure, or with a vacuum.
    return int(pc.sum(wanted.rows(rows)).as_py() or 0)


def _columns(location: Location, path: str, names: Collection[str]) -> pa.Table:
    with location.filesystem.open_input_file(path) as opened:
        file = pq.ParquetFile(opened)
        return file.read(columns=[name for name in names if name in file.schema_arrow.names])


def _next_sequence(lake: Lake, source: str) -> int:
    table = lake.location(TABLE).open()
    known = table.transaction_version(f"stream:{source}") if table else None
    return 0 if known is None else known + 1
