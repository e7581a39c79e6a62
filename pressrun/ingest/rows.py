"""What readers yield: rows as the file has them, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EXCERPT = 200
"""Characters of a refused row that are kept: enough to find it, too few to fill the lake."""


@dataclass(frozen=True, kw_only=True)
class RawRow:
    """A row's values by our field names (and `synthetic`); `line` counts from 1, in Parquet it is the row."""

    line: int
    values: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A row, or with line 0 a whole file, that cannot be read, and why."""

    line: int
    reason: str
    excerpt: str = ""


def excerpt(raw: object) -> str:
    """The beginning of what was refused, safe to store and to print."""
    text = raw[: 4 * EXCERPT].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else str(raw)
    printable = text[:EXCERPT].encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in printable)[:EXCERPT]
