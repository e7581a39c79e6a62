"""Reading a dataset at its version, and telling whether that is still possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pressrun.lake import delta
from pressrun.lake.delta import File, Location
from pressrun.lake.digest import EMPTY, combined
from pressrun.lake.errors import DatasetGoneError, LakeError, StoreError
from pressrun.lake.refusals import explained
from pressrun.lake.types import DatasetRef


def read(
    location: Location,
    dataset: DatasetRef,
    *,
    schema: pa.Schema,
    columns: Sequence[str],
    where: pc.Expression | None = None,
    since: datetime | None = None,
) -> pa.Table:
    """The dataset's rows, perhaps only of files committed `since`; a column that a file lacks is null.

    Files that a clean-up has taken are made up for by those of the newest version that hold the very same rows.
    Raises what `files` raises.
    """
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise LakeError(f"{dataset.table} has no column {', '.join(sorted(unknown))}; it has {', '.join(schema.names)}")

    def rows(held: list[File]) -> pa.Table:
        found = [f.path for f in held if since is None or f.written >= since.timestamp() * 1000]
        if not found:
            return schema.empty_table().select(list(columns))
        with explained(location.uri):
            parts = ds.dataset(found, schema=schema, format="parquet", filesystem=location.filesystem)
            return parts.to_table(columns=list(columns), filter=where)

    try:
        return rows(files(location, dataset))
    except FileNotFoundError:
        return rows(files_there(location, dataset))


def files(location: Location, dataset: DatasetRef) -> list[File]:
    """The files of the dataset's version that hold its rows; where that version cannot tell, those of today.

    In a mirror of the lake that made the dataset versions mean something else: there its steps and its digest name it.
    Raises DatasetGoneError, and LakeError when nothing here has its digest.
    """
    if not dataset.rows:
        return []
    try:
        found = _files_of(_open(location, dataset), dataset)
    except DatasetGoneError:
        return _the_same_now(location, dataset, "its version is no longer in the log")
    if combined(file.digest for file in found) == dataset.digest:
        return found
    return _mirrored(location, dataset) or _refused(location, dataset, sum(file.rows for file in found))


def _refused(location: Location, dataset: DatasetRef, rows: int) -> list[File]:
    has = f"has {rows} in {location.uri}" if rows != dataset.rows else f"in {location.uri} there are others"
    raise LakeError(
        f"{dataset} should have {dataset.rows} rows and {has}; is this the lake it was made in, or a mirror of it that "
        "has been brought up to date since?"
    )


def _files_of(table: DeltaTable, dataset: DatasetRef) -> list[File]:
    keys = set(dataset.step_keys)
    return [file for file in delta.files_of(table) if file.step_key in keys]


def _the_same_now(location: Location, dataset: DatasetRef, why: str) -> list[File]:
    """Today's files of the dataset's steps, when their digest says that they hold its rows and no others."""
    found = _mirrored(location, dataset)
    if not found:
        raise _gone(location, dataset, why)
    return found


def _mirrored(location: Location, dataset: DatasetRef) -> list[File]:
    """Today's files of the dataset's steps, or the first of them in time: a stream has grown since. Else none."""
    table, total, first = location.open(), EMPTY, list[File]()
    for file in sorted(_files_of(table, dataset) if table else [], key=lambda file: file.written):
        first.append(file)
        total = combined((total, file.digest))
        if total == dataset.digest:
            return first
    return []


def files_there(location: Location, dataset: DatasetRef) -> list[File]:
    """The same, looked after: where a clean-up took some, those of the newest version that hold the very same rows.

    Raises what `files` raises.
    """
    found = files(location, dataset)
    infos = location.filesystem.get_file_info([file.path for file in found])
    gone = [info.path for info in infos if info.type != pafs.FileType.File]
    if not gone:
        return found
    why = f"a file is missing ({gone[0]})"
    instead = _the_same_now(location, dataset, why)
    if {file.path for file in instead} & set(gone):
        raise _gone(location, dataset, why)
    return instead


def intact(location: Location, dataset: DatasetRef) -> bool:
    """Whether every row can still be read: the version is there, and its files are, whole. Raises StoreError."""
    try:
        filesystem = location.filesystem
        with explained(location.uri):
            return all(_whole(filesystem, file) for file in files_there(location, dataset))
    except StoreError:
        raise  # Of data that cannot be asked for now nobody knows whether it is there.
    except (LakeError, pa.ArrowException, OSError):
        return False


def _whole(filesystem: pafs.FileSystem, file: File) -> bool:
    info = filesystem.get_file_info(file.path)
    if info.type != pafs.FileType.File or info.size != file.size:
        return False
    return int(pq.read_metadata(file.path, filesystem=filesystem).num_rows) == file.rows


def _open(location: Location, dataset: DatasetRef) -> DeltaTable:
    try:
        table = location.open(dataset.version)
    except DeltaError as error:
        if location.open() is None:
            raise
        raise _gone(location, dataset, "its version is no longer in the log") from error
    if table is None:
        raise _gone(location, dataset, "the table does not exist")
    return table


def _gone(location: Location, dataset: DatasetRef, why: str) -> DatasetGoneError:
    table = location.open()
    properties = table.metadata().configuration if table else {}
    kept = {
        name: properties.get(f"delta.{name}", "unset")
        for name in ("logRetentionDuration", "deletedFileRetentionDuration")
    }
    limits = ", ".join(f"{name} = {value}" for name, value in kept.items())
    return DatasetGoneError(
        f"{dataset} in {location.uri} cannot be read: {why}. The table keeps {limits}; "
        "run the step that made it again with fresh: true"
    )
