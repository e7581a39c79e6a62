"""JSON Lines: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pressrun.config.pipeline import Read
from pressrun.ingest.columns import FIELDS, names
from pressrun.ingest.lines import Line, decodable, lines_of
from pressrun.ingest.rows import RawRow, Refused, excerpt


def read_jsonl(file: Path, read: Read, *, limit: int) -> Iterator[RawRow | Refused]:
    """The file's rows by our field names; a key that an object lacks is a null.

    Raises IngestError at the file's end for a mapped column that no object had.
    """
    wanted = _wanted(read)
    present: dict[str, None] = {}
    for line in lines_of(file, limit=limit):
        parsed = _parsed(line)
        if isinstance(parsed, Refused):
            yield parsed
        elif parsed is not None:
            present |= dict.fromkeys(parsed)
            yield RawRow(line=line.number, values={ours: parsed.get(theirs) for ours, theirs in wanted.items()})
    if present:
        names(read, list(present), file=file)


def _wanted(read: Read) -> dict[str, str]:
    mapped = {str(ours): theirs for ours, theirs in read.columns.items()} if isinstance(read.columns, dict) else {}
    taken = set(mapped.values())
    return {field: field for field in FIELDS if field not in taken} | mapped


def _parsed(line: Line) -> dict[str, object] | Refused | None:
    if line.cut:
        return _refused(line, f"longer than {len(line.raw):,} bytes")
    if not decodable(line.text):
        return _refused(line, "not UTF-8")
    if not line.text.strip():
        return None
    try:
        parsed = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        return _refused(line, f"not JSON: {str(error)[:100]}")
    return parsed if isinstance(parsed, dict) else _refused(line, f"a JSON {type(parsed).__name__}, not an object")


def _refused(line: Line, reason: str) -> Refused:
    return Refused(line=line.number, reason=reason, excerpt=excerpt(line.raw))
