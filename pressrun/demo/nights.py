"""Deals the user's own articles out as nights, in the format in which they came."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pressrun.config.pipeline import Read

SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True, kw_only=True)
class Records:
    """A file's records as they came: text lines or a table, and the header line that each night must repeat."""

    format: str
    rows: Sequence[object]
    header: Sequence[str] | None
    schema: pa.Schema | None = None

    def write(self, rows: Sequence[object], path: Path) -> None:
        """Writes the rows in the file's own format; appears whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name}.part")
        if self.format == "parquet":
            pq.write_table(pa.Table.from_pylist(list(rows), schema=self.schema), hidden)
        elif self.format == "csv":
            with hidden.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerows([self.header] if self.header else [])
                writer.writerows(rows)  # type: ignore[arg-type]
        else:
            head = ["\t".join(self.header)] if self.header else []
            hidden.write_text("".join(f"{line}\n" for line in [*head, *rows]))
        hidden.rename(path)


def read_records(path: Path, *, read: Read) -> Records:
    """Reads a CSV, TSV, JSONL or Parquet file without interpreting its columns. Raises ValueError for another kind."""
    format = read.format if read.format != "auto" else SUFFIXES.get(path.suffix.lower(), "")
    if format == "parquet":
        table = pq.read_table(path)
        return Records(format=format, rows=table.to_pylist(), header=None, schema=table.schema)
    if format in {"jsonl", "tsv"}:
        lines = [line for line in path.read_text(errors="replace").split("\n") if line.strip()]
        header = lines.pop(0).split("\t") if format == "tsv" and read.header and lines else None
        return Records(format=format, rows=lines, header=header)
    if format != "csv":
        raise ValueError(f"{path.name}: not CSV, TSV, JSONL or Parquet; name the format in articles.read.format")
    with path.open(newline="", errors="replace") as file:
        rows = list(csv.reader(file))
    header = rows.pop(0) if read.header and rows else None
    return Records(format=format, rows=rows, header=header)


def data_files(folder: Path, *, format: str = "auto") -> list[Path]:
    """The articles' files in the folder, or the file itself; of one format, where the pipeline's file names one.

    Raises ValueError when there are none, naming what is there instead.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist; set PRESSRUN_DATA to the folder or the file of your articles")
    known = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    found = [path for path in known if format in ("auto", SUFFIXES[path.suffix.lower()])]
    if known and not found:
        there = ", ".join(sorted({path.suffix for path in known}))
        raise ValueError(
            f"{folder} holds {there} files, and articles.read.format of the pipeline is {format}: change it"
        )
    if not found:
        raise ValueError(f"{folder} holds no CSV, TSV, JSONL or Parquet file; name the folder or the file that does")
    return found


def deal(records: Records, *, shares: Sequence[float], time_column: str | int | None) -> list[list[object]]:
    """Splits the records into nights of the given shares: by time where there is one, else by a hash of each record."""

    def order(row: object) -> str:
        if time_column is None:
            return hashlib.sha256(repr(row).encode()).hexdigest()
        return str(_field(row, time_column, records))

    rows = sorted(records.rows, key=order)
    cuts = [0]
    for share in shares:
        cuts.append(min(len(rows), cuts[-1] + round(share / sum(shares) * len(rows))))
    cuts[-1] = len(rows)
    return [list(rows[a:b]) for a, b in pairwise(cuts)]


def time_column(read: Read) -> str | int | None:
    """Which column of the file holds the time, by the pipeline's mapping; None when the data has no times."""
    if isinstance(read.columns, dict):
        return read.columns.get("published_at")
    return read.columns.index("published_at") if "published_at" in read.columns else None


def _field(row: object, column: str | int, records: Records) -> object:
    if records.format == "jsonl":
        return json.loads(str(row)).get(str(column), "")
    if isinstance(row, dict):
        return row.get(str(column), "")
    index = column if isinstance(column, int) else list(records.header or []).index(column)
    fields = str(row).split("\t") if records.format == "tsv" else row
    return fields[index] if isinstance(fields, list) and index < len(fields) else ""
