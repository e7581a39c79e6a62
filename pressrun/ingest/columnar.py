"""Parquet, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from pressrun.config.pipeline import Read
from pressrun.ingest.columns import names
from pressrun.ingest.rows import RawRow

_ROWS = 1024


def read_parquet(file: Path, read: Read) -> Iterator[RawRow]:
    """The file's rows by our field names. Raises IngestError where columns and file do not fit, ArrowException or
    OSError for what is no Parquet."""
    with pq.ParquetFile(file) as opened:
        wanted = names(read, opened.schema_arrow.names, file=file)
        line = 0
        for batch in opened.iter_batches(batch_size=_ROWS, columns=sorted(set(wanted.values()))):
            for row in batch.to_pylist():
                line += 1
                yield RawRow(line=line, values={ours: row[theirs] for ours, theirs in wanted.items()})
