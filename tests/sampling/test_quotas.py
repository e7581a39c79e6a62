"""Exact quotas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.sampling.quotas import quotas

SIZES = st.dictionaries(st.text(max_size=3), st.integers(1, 500), max_size=12)


@given(sizes=SIZES, rows=st.integers(0, 3000))
def test_quotas_sum_to_what_was_asked_and_never_exceed_a_stratum(sizes: dict[str, int], rows: int) -> None:
    allotted = quotas(sizes, rows)
    assert sum(allotted.values()) == min(rows, sum(sizes.values()))
    assert all(0 <= allotted[name] <= size for name, size in sizes.items())
    assert rows < len(sizes) or all(allotted.values())


def test_shares_are_proportional_by_largest_remainder() -> None:
    assert quotas({"a": 601, "b": 301, "c": 101}, 103) == {"a": 61, "b": 31, "c": 11}


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="given -1"):
        quotas({"a": 1}, -1)
