"""A digest is that of the rows as JSON, whatever the columns' widths and however the rows are cut."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pressrun.lake import digest
from pressrun.lake.digest import EMPTY, combined, content_digest

SCHEMA = pa.schema(
    {
        "title": pa.string(),
        'od"d': pa.large_string(),
        "position": pa.int64(),
        "propensity": pa.float64(),
        "clicked": pa.bool_(),
        "at": pa.timestamp("us", "UTC"),
        "scores": pa.map_(pa.string(), pa.float64()),
        "labels": pa.list_(pa.string()),
    }
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\r\t\x00\x1f\x7f'), max_size=6)
TIMES = st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
ROWS = st.fixed_dictionaries(
    {
        "title": st.none() | TEXT,
        'od"d': st.none() | TEXT,
        "position": st.none() | st.integers(-(2**63), 2**63 - 1),
        "propensity": st.none() | st.floats(allow_nan=False),
        "clicked": st.none() | st.booleans(),
        "at": st.none() | TIMES,
        "scores": st.none()
        | st.lists(st.tuples(TEXT, st.none() | st.floats(0, 1)), max_size=2, unique_by=lambda p: p[0]),
        "labels": st.none() | st.lists(st.none() | TEXT, max_size=2),
    }
)


def plainly(rows: list[dict[str, Any]]) -> str:
    """The digest as it is defined, row by row."""

    def hashed(row: dict[str, Any]) -> int:
        present = {name: value for name, value in row.items() if value is not None}
        present |= {"scores": dict(present["scores"])} if "scores" in present else {}
        present |= {"at": present["at"].isoformat()} if "at" in present else {}
        text = json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return int.from_bytes(hashlib.sha256(text.encode()).digest())

    return f"{sum(map(hashed, rows)) % (1 << 256):064x}"


@given(rows=st.lists(ROWS, max_size=5))
def test_it_is_the_sum_of_hashes_of_rows_as_json(rows: list[dict[str, Any]]) -> None:
    assert content_digest(pa.Table.from_pylist(rows, schema=SCHEMA)) == plainly(rows)


def test_parts_add_up_in_any_order() -> None:
    rows = pa.table({"title": [f"{n}" for n in range(20_000)], "body": [None] * 20_000})
    parts = [content_digest(rows.slice(start, 7000)) for start in (14_000, 0, 7000)]
    assert combined(parts) == content_digest(rows)
    assert content_digest(rows.slice(0, 0)) == EMPTY


def test_huge_rows_are_spelt_out_a_few_at_a_time(monkeypatch: Any) -> None:
    rows = pa.table({"body": ["x" * 1000] * 100})
    whole = content_digest(rows)
    monkeypatch.setattr(digest, "_BYTES", 5000)
    assert max(batch.num_rows for batch in digest._bounded(rows)) <= 5
    assert content_digest(rows) == whole
