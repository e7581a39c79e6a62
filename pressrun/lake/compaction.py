"""Many small files of one step or stream become few. Rows, step keys and digests stay what they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from pressrun.lake import delta
from pressrun.lake.delta import File, Location
from pressrun.lake.digest import combined, content_digest
from pressrun.lake.errors import LakeError
from pressrun.lake.tables import HOUSE

# Scans are quickest at some ten megabytes a file, and as much fits into anyone's memory when it is read.
TARGET_BYTES = 64 << 20
_FEWEST = 4
_ATTEMPTS = 10
_APP = "pressrun.compaction"


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """How many files became how many, and their bytes; what another writer changed meanwhile was left as it was."""

    before: int = 0
    after: int = 0
    left: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        return Compacted(before=self.before + other.before, after=self.after + other.after, left=self.left + other.left)


def bundles(files: Sequence[File], *, target: int = TARGET_BYTES, fewest: int = _FEWEST) -> list[list[File]]:
    """The files to make one of each: of one pipeline and step, in the order they were written, together not above
    `target` bytes; fewer than `fewest` are not worth a rewrite."""
    steps: dict[tuple[str, str, str, str], list[File]] = {}
    for file in sorted(files, key=lambda file: (file.written, file.path)):
        if file.size < target and file.digest:
            steps.setdefault((file.pipeline, file.step_key, file.fingerprint, file.state), []).append(file)
    return [bundle for mine in steps.values() for bundle in _packed(mine, target) if len(bundle) >= fewest]


def compact(location: Location, files: Sequence[File], schema: pa.Schema) -> Compacted:
    """Replaces `files`, all of one step, by one. Raises LakeError when the rows would not be the very same.

    The new file is written first and committed on a snapshot that still has all of the old ones; a file without a
    commit is nobody's, and goes with the next vacuum. The removals count as changes of data, though none changes: only
    then does deltalake refuse a step's new rows, or another compaction, that was begun on the same old files.
    """
    merged = _merged(location, files, schema)
    for _ in range(_ATTEMPTS):
        table = location.open()
        if table is None or not _all_there(table, files):
            return Compacted(left=len(files))
        try:
            note = {"pressrun.compacted": str(len(files)), "pressrun.step_key": merged.step_key}
            delta.commit(table, add=[merged], remove=files, app=_APP, sequence=table.version() + 1, note=note)
            return Compacted(before=len(files), after=1)
        except CommitFailedError:
            continue
    return Compacted(left=len(files))


def _packed(files: Sequence[File], target: int) -> Iterator[list[File]]:
    bundle: list[File] = []
    for file in files:
        if bundle and sum(one.size for one in bundle) + file.size > target:
            yield bundle
            bundle = []
        bundle.append(file)
    yield bundle


def _all_there(table: DeltaTable, files: Sequence[File]) -> bool:
    return {file.path for file in files} <= {file.path for file in delta.files_of(table)}


def _merged(location: Location, files: Sequence[File], schema: pa.Schema) -> File:
    """One file at a time is held in memory, and each one's digest is computed from the rows that go over."""
    digest, filesystem = combined(file.digest for file in files), location.filesystem
    path = f"part-{digest}-{uuid4().hex[:12]}.parquet"
    own, told = schema, []
    whole = pa.schema([*HOUSE, *own])
    with pq.ParquetWriter(path, whole, filesystem=filesystem, compression="zstd") as writer:
        for file in files:
            rows = ds.dataset([file.path], schema=whole, format="parquet", filesystem=filesystem).to_table()
            told.append(content_digest(rows.select(own.names)))
            writer.write_table(rows)
    if combined(told) != digest:
        filesystem.delete_file(path)
        raise LakeError(
            f"{location.uri}: the rows of {files[0].step_key} do not have the digest in their files' names, so a file "
            "was changed by hand or is damaged; nothing was compacted. Compare with a copy of the lake"
        )
    size, rows_in = filesystem.get_file_info(path).size, sum(file.rows for file in files)
    first = files[0]
    return File(
        path=path,
        size=size,
        rows=rows_in,
        pipeline=first.pipeline,
        step_key=first.step_key,
        digest=digest,
        fingerprint=first.fingerprint,
        state=first.state,
    )
