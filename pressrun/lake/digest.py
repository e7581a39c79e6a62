"""A dataset's content digest: a sum of row hashes, so it depends on neither the order nor the grouping of rows.

The sum lets a snapshot of many steps be named without reading it: digests of its parts add up. Method: AdHash, Bellare
and Micciancio, "A New Paradigm for Collision-Free Hashing" (1997), with SHA-256 in 256 bits; it names content and does
not defend against someone who crafts rows to collide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t

EMPTY = "0" * 64
_SIZE = 1 << 256
_ROWS, _BYTES = 8192, 1 << 26
# JSON's short escapes; the backslash comes first, since the others bring one.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_OTHER_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def content_digest(rows: pa.Table) -> str:
    """64 hex digits over the rows' own columns. A null counts like an absent column, so new columns change nothing."""
    total = 0
    for batch in _bounded(rows):
        total += sum(int.from_bytes(hashlib.sha256(row).digest()) for row in _canonical(batch))
    return f"{total % _SIZE:064x}"


def combined(digests: Iterable[str]) -> str:
    """The digest of all rows of datasets with these digests."""
    return f"{sum(int(digest, 16) for digest in digests) % _SIZE:064x}"


def _bounded(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    """All rows, of which never more than some megabytes are spelt out at once."""
    waiting = list(reversed(rows.to_batches(max_chunksize=_ROWS)))
    while waiting:
        batch = waiting.pop()
        if batch.nbytes <= _BYTES or batch.num_rows <= 1:
            yield batch
        else:
            half = batch.num_rows // 2
            waiting += [batch.slice(half), batch.slice(0, half)]


def _canonical(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Each row as JSON: sorted keys, no spaces, nulls left out; made a column at a time."""
    members = [_member(name, batch[name]) for name in sorted(batch.schema.names)]
    if not members:
        return iter([b"{}"] * batch.num_rows)
    rows = _joined(*members, null_handling="replace", null_replacement="")
    return (b"{%b}" % row[1:] for row in rows.cast(pa.large_binary()).to_pylist())


def _member(name: str, column: pa.Array) -> pa.Array:
    """`,"name":value` of each row, null where the value is."""
    return _joined(f",{json.dumps(name, ensure_ascii=False)}:", _values(column))


def _joined(*parts: pa.Array | str, **nulls: str) -> pa.Array:
    large = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in (*parts, "")]
    return pc.binary_join_element_wise(*large, **nulls)


def _values(column: pa.Array) -> pa.Array:
    """Each value as JSON, as large strings."""
    kind = column.type
    if t.is_string(kind) or t.is_large_string(kind):
        return _texts(column.cast(pa.large_string()))
    if t.is_integer(kind):
        return column.cast(pa.large_string())
    if t.is_floating(kind) or t.is_timestamp(kind) or t.is_boolean(kind):
        return _spelt_once(column)
    return pa.array([None if value is None else _spelt(value, kind) for value in column.to_pylist()], pa.large_string())


def _texts(column: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(column, _OTHER_CONTROLS)).as_py():
        return pa.array([None if v is None else _spelt(v, column.type) for v in column.to_pylist()], pa.large_string())
    for plain, escaped in _ESCAPES.items():
        if pc.any(pc.match_substring(column, plain)).as_py():
            column = pc.replace_substring(column, plain, escaped)
    return _joined('"', column, '"')


def _spelt_once(column: pa.Array) -> pa.Array:
    encoded = column.dictionary_encode()
    values = pa.array([_spelt(value, column.type) for value in encoded.dictionary.to_pylist()], pa.large_string())
    return values.take(encoded.indices)


def _spelt(value: object, kind: pa.DataType) -> str:
    return _encoder.encode(dict(value) if t.is_map(kind) else value)  # type: ignore[call-overload]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"no canonical form for {type(value).__name__}; add one to pressrun/lake/digest.py")


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain, ensure_ascii=False)
