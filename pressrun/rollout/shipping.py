"""Predictions on their way from the servers' spool into the lake, each exactly once.

A segment is a file `<source>-<sequence>.jsonl` of rows of the table `predictions`. It is deleted only after the lake
has it; a segment that is shipped twice is recognised there by its source and sequence.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of

_SEGMENT = re.compile(r"(?P<source>.+)-(?P<sequence>\d{10})\.jsonl(?P<open>\.open)?")
_log = logging.getLogger(__name__)


# A server that lives ends its segments after seconds, so a segment that lies open for longer has lost its server.
ABANDONED_SECONDS = 120.0


def ship_all(lake: Lake, spools: Path) -> int:
    """Appends what is complete in each model's spool below `spools`, and returns the number of rows.

    Here nobody knows which servers live: an open segment is left alone until it is abandoned.
    """
    rows = 0
    for spool in sorted(path for path in spools.iterdir() if path.is_dir()):
        rows += ship(lake, spool, pipeline=spool.name, live=_writing(spool))
    return rows


def _writing(spool: Path) -> set[str]:
    since = time.time() - ABANDONED_SECONDS
    return {source for path, source, _, is_open in _segments(spool) if is_open and _touched(path) > since}


def _touched(path: Path) -> float:
    """When it was last written to; now when its server has just closed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def ship(lake: Lake, spool: Path, *, pipeline: str, live: Collection[str]) -> int:
    """Appends what is complete to the table `predictions` and returns the number of rows.

    `live` are the servers (or sources) that still write: their open segments are left alone.
    """
    rows, failed = 0, set()
    for path, source, sequence, is_open in _segments(spool):
        if source in failed or (is_open and not {source, source.rpartition("-")[0]}.isdisjoint(live)):
            continue
        try:
            rows += _ship(lake, path, pipeline=pipeline, source=source, sequence=sequence)
        except Exception:
            # A later segment must not overtake this one: the lake takes a source's sequences in order.
            failed.add(source)
            _log.exception("segment %s is not in the lake yet; it is tried again", path.name)
    return rows


def _segments(spool: Path) -> list[tuple[Path, str, int, bool]]:
    found = [(path, _SEGMENT.fullmatch(path.name)) for path in spool.glob("*.jsonl*")]
    named = [(path, m["source"], int(m["sequence"]), m["open"] is not None) for path, m in found if m]
    return sorted(named, key=lambda segment: segment[1:3])


def _ship(lake: Lake, path: Path, *, pipeline: str, source: str, sequence: int) -> int:
    rows = read_segment(path)
    if rows:
        lake.append("predictions", rows_of("predictions", rows), pipeline=pipeline, source=source, sequence=sequence)
    path.unlink()
    return len(rows)


def read_segment(path: Path) -> list[dict[str, Any]]:
    """The rows of a segment; a last line that a killed server left half written is dropped."""
    lines = path.read_bytes().splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(json.loads(line)))
        except ValueError:
            if number < len(lines):
                raise ValueError(f"{path}:{number} is no prediction: {line[:80]!r}") from None
    return rows


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    maps = {name: list(row[name].items()) for name in ("scores", "features")}
    return {**row, **maps, "at": datetime.fromisoformat(row["at"])}
