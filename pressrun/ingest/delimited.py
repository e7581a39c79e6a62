"""CSV and TSV, with no row lost to its neighbour's stray quote."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pressrun.config.pipeline import Read
from pressrun.ingest.columns import names, positions
from pressrun.ingest.lines import Line, decodable, lines_of
from pressrun.ingest.rows import RawRow, Refused, excerpt

# The module's own limit is per process and far below an article; lines are bounded before they get here.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class _Record:
    line: int
    fields: list[str]


class _BrokenRecordError(Exception):
    """A record that cannot be one: it never ends, or a line of it is over the limit."""


class _Source:
    """The lines of the present record; a refused record gives all but its first line back."""

    def __init__(self, lines: Iterator[Line], limit: int) -> None:
        self._lines, self._limit = lines, limit
        self._back: deque[Line] = deque()
        self.taken: list[Line] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines, None)
        if line is None:
            if self.taken:
                raise _BrokenRecordError("a quote is opened and never closed")
            raise StopIteration
        self.taken.append(line)
        if line.cut:
            raise _BrokenRecordError(f"longer than {self._limit:,} bytes")
        self._size += len(line.raw)
        if self._size > self._limit:
            raise _BrokenRecordError("a quote is opened and not closed within an article's length")
        return line.text

    def begin(self) -> None:
        self.taken, self._size = [], 0

    def give_back(self) -> Line:
        """The refused first line; the others are read again as records of their own."""
        first, *others = self.taken
        self._back.extendleft(reversed(others))
        return first


def read_delimited(file: Path, read: Read, *, delimiter: str, limit: int) -> Iterator[RawRow | Refused]:
    """The file's rows by our field names. Raises IngestError where columns and file do not fit.

    A TSV has no quoting, as text/tab-separated-values is registered; a CSV is read by RFC 4180: text after a
    closing quote is refused, for a lenient reader would take the rows that follow into it.
    """
    records = _records(file, delimiter=delimiter, limit=limit, width=None if read.header else len(read.columns))
    fields = None if read.header else positions(read, file=file)
    for record in records:
        if isinstance(record, Refused):
            yield record
        elif fields is None:
            fields = _header(read, record.fields, file=file)
        else:
            yield _row(record, fields)


def _header(read: Read, header: list[str], *, file: Path) -> list[str | None]:
    if isinstance(read.columns, list) and read.columns:
        return positions(read, file=file)
    present = [name.strip() for name in header]
    ours = {theirs: field for field, theirs in names(read, present, file=file).items()}
    return [ours.get(name) for name in present]


def _row(record: _Record, fields: list[str | None]) -> RawRow | Refused:
    if not all(map(decodable, record.fields)):
        return Refused(line=record.line, reason="not UTF-8", excerpt=excerpt(" ".join(record.fields)))
    return RawRow(line=record.line, values={f: v for f, v in zip(fields, record.fields, strict=False) if f})


def _records(file: Path, *, delimiter: str, limit: int, width: int | None) -> Iterator[_Record | Refused]:
    """The records with as many fields as the first one, or `width`; anything else is refused by its first line."""
    source = _Source(lines_of(file, limit=limit), limit)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(source, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        source.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, _BrokenRecordError) as error:
            yield _refused(source, str(error))
            continue
        if not fields:
            continue
        width = width or len(fields)
        if len(fields) == width:
            yield _Record(line=source.taken[0].number, fields=fields)
        else:
            yield _refused(source, f"{len(fields)} columns where {width} are expected")


def _refused(source: _Source, reason: str) -> Refused:
    first = source.give_back()
    return Refused(line=first.number, reason=reason, excerpt=excerpt(first.raw))
