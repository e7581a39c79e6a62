"""A dataset's content digest: a sum of row hashes, so it depends on neither the order nor the grouping of rows.

The sum lets a snapshot of many steps be named without reading it: digests of its parts add up. Method: AdHash, Bellare
and Micciancio, "A New Paradigm for Collision-Free Hashing" (1997), with SHA-256 in 256 bits; it names content and does
not defend against someone who crafts rows to collide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

EMPTY = "0" * 64
_SIZE = 1 << 256


def content_digest(rows: pa.Table) -> str:
    """64 hex digits over the rows' own columns. A null counts like an absent column, so new columns change nothing."""
    total = 0
    maps = frozenset(field.name for field in rows.schema if pa.types.is_map(field.type))
    for batch in rows.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            total += int.from_bytes(hashlib.sha256(_canonical(row, maps)).digest())
    return f"{total % _SIZE:064x}"


def combined(digests: Iterable[str]) -> str:
    """The digest of all rows of datasets with these digests."""
    return f"{sum(int(digest, 16) for digest in digests) % _SIZE:064x}"


def _canonical(row: dict[str, Any], maps: frozenset[str]) -> bytes:
    present = {name: dict(v) if name in maps else v for name, v in row.items() if v is not None}
    return json.dumps(present, sort_keys=True, separators=(",", ":"), default=_plain, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"no canonical form for {type(value).__name__}; add one to pressrun/lake/digest.py")
