"""One file of articles to rows, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pressrun.config.pipeline import Articles
from pressrun.ingest.columnar import read_parquet
from pressrun.ingest.delimited import read_delimited
from pressrun.ingest.errors import IngestError
from pressrun.ingest.files import format_of
from pressrun.ingest.jsonl import read_jsonl
from pressrun.ingest.rows import RawRow, Refused


def rows_of_file(file: Path, articles: Articles) -> Iterator[RawRow | Refused]:
    """The rows and what was refused of them; a file that cannot be read at all is refused as line 0.

    Raises IngestError where the pipeline's columns and the file's do not fit.
    """
    try:
        yield from _rows(file, articles)
    except IngestError:
        raise
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        yield Refused(line=0, reason=f"the file cannot be read: {str(error)[:200]}")


def _rows(file: Path, articles: Articles) -> Iterator[RawRow | Refused]:
    # Four times an article's bytes leaves room for escapes and the other columns, and bounds what a line may hold.
    read, limit = articles.read, 4 * articles.max_bytes + 65_536
    match format_of(file, read):
        case "csv":
            yield from read_delimited(file, read, delimiter=",", limit=limit)
        case "tsv":
            yield from read_delimited(file, read, delimiter="\t", limit=limit)
        case "jsonl":
            yield from read_jsonl(file, read, limit=limit)
        case "parquet":
            yield from read_parquet(file, read)
        case None:
            reason = f"the suffix {file.suffix!r} tells no format; set articles.read.format or move the file away"
            yield Refused(line=0, reason=reason)
