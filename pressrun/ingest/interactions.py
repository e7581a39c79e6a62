"""What readers were shown and clicked, as rows of the table `interactions`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pressrun.config.pipeline import Interactions
from pressrun.ingest.collect import Reject
from pressrun.ingest.dates import parse_time
from pressrun.ingest.files import excerpt_of_file
from pressrun.ingest.identity import article_id
from pressrun.ingest.rows import excerpt
from pressrun.ingest.shown import first_of_each, lacking, shown_rows
from pressrun.lake.tables import SCHEMAS, rows_of

Row = dict[str, Any]
_SCHEMA = SCHEMAS["interactions"]
_ROWS = 1 << 17
_FEW = 1 << 12
_MIND_COLUMNS = 5
_MIND_TIME = "%m/%d/%Y %I:%M:%S %p"


def read_interactions(
    section: Interactions, files: Iterable[Path], *, known: pa.ChunkedArray, pseudonym: Callable[[str], str]
) -> tuple[pa.Table, list[Reject]]:
    """Rows whose impression_id the lake does not know, readers as pseudonyms; and the rows that cannot be read."""
    tables: list[pa.Table] = []
    rejects: list[Reject] = []
    for file in files:
        for part in _parts(file, section, pseudonym):
            if isinstance(part, Reject):
                rejects.append(part)
            else:
                tables.append(part)
    return first_of_each(pa.concat_tables([_SCHEMA.empty_table(), *tables]), known), rejects


def _parts(file: Path, section: Interactions, pseudonym: Callable[[str], str]) -> Iterator[pa.Table | Reject]:
    parquet = section.format == "parquet" or (section.format == "auto" and file.suffix == ".parquet")
    try:
        yield from _parquet(file, pseudonym) if parquet else _together(_mind(file, pseudonym))
    except (OSError, pa.ArrowException, UnicodeError) as error:
        reason = f"the file cannot be read: {str(error)[:200]}"
        yield Reject(origin=file.name, line=0, reason=reason, excerpt=excerpt_of_file(file))


def _together(found: Iterable[Row | Reject]) -> Iterator[pa.Table | Reject]:
    """Rows as tables of many."""
    found = iter(found)
    while few := list(islice(found, _FEW)):
        yield from (one for one in few if isinstance(one, Reject))
        yield rows_of("interactions", (one for one in few if not isinstance(one, Reject)))


def _parquet(file: Path, pseudonym: Callable[[str], str]) -> Iterator[pa.Table | Reject]:
    """Columns by our names; `url` stands for a missing article_id."""
    before = 0
    with pq.ParquetFile(file) as opened:
        columns = [name for name in (*_SCHEMA.names, "url") if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(batch_size=_ROWS, columns=columns):
            yield from _batch(batch, file.name, before, pseudonym)
            before += batch.num_rows


def _batch(
    batch: pa.RecordBatch, origin: str, before: int, pseudonym: Callable[[str], str]
) -> Iterator[pa.Table | Reject]:
    """All columns at once where they are as they should be, else row by row."""
    incomplete = lacking(batch)
    lines = before + 1 + np.arange(batch.num_rows)
    try:
        whole = shown_rows(batch.filter(pa.array(~incomplete)), pseudonym)
    except (ValueError, OverflowError, pa.ArrowException):
        yield from _together(_one_by_one(batch, lines, origin, pseudonym))
        return
    yield from _together(_one_by_one(batch.filter(pa.array(incomplete)), lines[incomplete], origin, pseudonym))
    yield whole


def _one_by_one(
    batch: pa.RecordBatch, lines: Iterable[int], origin: str, pseudonym: Callable[[str], str]
) -> Iterator[Row | Reject]:
    few = (batch.slice(start, _FEW).to_pylist() for start in range(0, batch.num_rows, _FEW))
    for line, raw in zip(lines, chain.from_iterable(few), strict=True):
        try:
            yield _row(raw, pseudonym)
        except (ValueError, pa.ArrowException) as error:
            yield Reject(origin=origin, line=int(line), reason=str(error)[:200], excerpt=_seen(raw))


def _seen(raw: Mapping[str, Any]) -> str:
    """What tells a row from others, and not who the reader was."""
    return excerpt(" ".join(str(raw.get(name)) for name in ("impression_id", "article_id", "url", "shown_at")))


def _row(raw: Mapping[str, Any], pseudonym: Callable[[str], str]) -> Row:
    row = {name: raw.get(name) for name in _SCHEMA.names}
    url = raw.get("url")
    row["article_id"] = row["article_id"] or (article_id(url=url, title="", body="") if url else None)
    if not row["impression_id"] or not row["article_id"]:
        raise ValueError("neither impression_id nor article_id (or url) may be null")
    row["shown_at"] = parse_time(row["shown_at"])
    row["reader_id"] = pseudonym(str(row["reader_id"])) if row["reader_id"] is not None else None
    pa.Table.from_pylist([row], schema=_SCHEMA)
    return row


def _mind(file: Path, pseudonym: Callable[[str], str]) -> Iterator[Row | Reject]:
    """behaviors.tsv of MIND (Wu et al. 2020): impression id, user, time, history, shown articles as ID-1 or ID-0.

    A slate becomes a row an article. Times have no zone there and are read as UTC.
    """
    with file.open(encoding="utf-8", newline="") as opened:
        for line, fields in enumerate(csv.reader(opened, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            try:
                yield from _slate(fields, pseudonym)
            except ValueError as error:
                yield Reject(origin=file.name, line=line, reason=str(error), excerpt=excerpt(fields[:1]))


def _slate(fields: list[str], pseudonym: Callable[[str], str]) -> list[Row]:
    if len(fields) != _MIND_COLUMNS:
        raise ValueError(f"{len(fields)} columns where MIND's behaviors have {_MIND_COLUMNS}")
    slate, reader, time, _, shown = fields
    common = {
        "slate_id": slate,
        "reader_id": pseudonym(reader),
        "shown_at": datetime.strptime(time, _MIND_TIME).replace(tzinfo=UTC),
    }
    return [common | _shown(slate, position, entry) for position, entry in enumerate(shown.split())]


def _shown(slate: str, position: int, entry: str) -> Row:
    article, dash, clicked = entry.rpartition("-")
    if not dash or not article or clicked not in ("0", "1"):
        raise ValueError(f"a shown article must be ID-1 or ID-0, found {entry[:40]!r}")
    return {
        "impression_id": f"{slate}-{position}",
        "article_id": article,
        "position": position,
        "clicked": clicked == "1",
    }
