"""Parquet files that grow an hour at a time and appear whole."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

_GROUP = 100_000


class Rows:
    """A Parquet file being written: row groups of about 100,000 rows, and no file before the block ends well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._unfinished = path.with_name(f".{path.name}.part")
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._unfinished, self._schema)
        return self

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows.cast(self._schema))
        if sum(len(table) for table in self._waiting) >= _GROUP:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []
