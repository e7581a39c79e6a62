"""Files outside the lake that hold readers: landed interactions, prediction logs, staging. Each is replaced whole."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pressrun.lake.erased import KINDS, Blocked

MARK = ".scrubbed-"
Pseudonym = Callable[[str], str]
Row = dict[str, Any]


@dataclass(kw_only=True)
class Scrub:
    """Who is looked for, and what was found on the way: impressions and slates that lead to them, by kind."""

    wanted: Blocked
    pseudonym: Pseudonym
    found: dict[str, set[str]] = field(default_factory=dict)

    def leads(self, row: Row) -> bool:
        """Whether a row as it landed, the reader's own id in it, leads to who is wanted."""
        reader = row.get("reader_id")
        named = reader is not None and self.wanted.has("reader", self.pseudonym(str(reader)))
        told = [(kind, str(row[name])) for name, kind in KINDS.items() if kind != "reader" and row.get(name)]
        if named:
            for kind, value in told:
                self.found.setdefault(kind, set()).add(value)
        return named or any(self.wanted.has(kind, value) for kind, value in told)


def scrub_parquet(file: Path, scrub: Scrub, *, change: bool) -> int:
    """How many rows lead to who is wanted; with `change` the file is left without them. Raises what pyarrow does."""
    rows = pq.read_table(file)
    names = [name for name in rows.column_names if name in KINDS]
    leads = [scrub.leads(row) for row in rows.select(names).to_pylist()] if names else []
    count = sum(leads)
    if count and change:
        left = rows.filter(pc.invert(pa.array(leads, pa.bool_())))
        _replace(file, lambda new: pq.write_table(left, new))
    return count


def scrub_mind(file: Path, scrub: Scrub, *, change: bool) -> int:
    """The same for MIND's behaviors.tsv: a line is a slate of one reader. Lines that stay keep their bytes."""
    kept, count = [], 0
    for line in file.read_bytes().splitlines(keepends=True):
        rows = list(_slate(line))
        gone = sum([scrub.leads(row) for row in rows])
        count += gone
        kept += [] if gone else [line]
    return _rewritten(file, kept, count, change)


def scrub_lines(file: Path, scrub: Scrub, *, change: bool) -> int:
    """The same for lines of JSON, such as a segment of the prediction log; a line that is none stays."""
    kept, count = [], 0
    for line in file.read_bytes().splitlines(keepends=True):
        gone = scrub.leads(_row(line))
        count += gone
        kept += [] if gone else [line]
    return _rewritten(file, kept, count, change)


def remove_leftovers(folder: Path) -> None:
    """What a scrub that was killed has left; they are named so that nothing reads them."""
    for file in folder.glob(f"{MARK}*"):
        file.unlink(missing_ok=True)


def _slate(line: bytes) -> Iterator[Row]:
    fields = next(csv.reader([line.decode("utf-8", "replace").rstrip("\r\n")], delimiter="\t", quoting=csv.QUOTE_NONE))
    if len(fields) < 2:
        return
    shown = fields[4].split() if len(fields) > 4 else []
    common = {"slate_id": fields[0], "reader_id": fields[1]}
    yield from ({**common, "impression_id": f"{fields[0]}-{place}"} for place in range(max(len(shown), 1)))


def _row(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _rewritten(file: Path, kept: Iterable[bytes], count: int, change: bool) -> int:
    if count and change:
        _replace(file, lambda new: new.write_bytes(b"".join(kept)))
    return count


def _replace(file: Path, write: Callable[[Path], object]) -> None:
    """The file as it was or without the rows, whatever dies. One that is gone meanwhile is not made again."""
    descriptor, name = tempfile.mkstemp(prefix=MARK, dir=file.parent)
    os.close(descriptor)
    new = Path(name)
    try:
        write(new)
        with new.open("rb") as opened:
            os.fsync(opened.fileno())
        new.chmod(file.stat().st_mode & 0o777)
        os.replace(new, file)
    except FileNotFoundError:
        pass
    finally:
        new.unlink(missing_ok=True)
