"""Bounds of sizes: one that is another's is known to be the same, or what is computed of both would seem to grow."""

from __future__ import annotations

from pressrun.bundle.onnx_known import Interval, Known, exactly
from pressrun.bundle.onnx_layouts import LAYOUTS
from pressrun.bundle.onnx_sizes import RULES

ROWS: Interval = (1, 1024)
TOKENS: Interval = (2, 3)


def numbers(*values: Interval) -> Known:
    return Known(shape=(exactly(len(values)),), item=8, values=values)


def test_counting_up_to_a_size_makes_as_many() -> None:
    [made] = RULES["Range"]([numbers(exactly(0)), numbers(TOKENS), numbers(exactly(1))], {})
    assert made.shape[0] is TOKENS
    [others] = RULES["Range"]([numbers(exactly(1)), numbers(TOKENS), numbers(exactly(1))], {})
    assert others.shape[0][1] == 2


def test_what_is_cut_at_a_size_has_it_only_where_there_is_enough() -> None:
    def cut(size: Interval) -> Interval:
        places = Known(shape=(exactly(1), size), item=8)
        [made] = LAYOUTS["Slice"]([places, numbers(exactly(0)), numbers(TOKENS), numbers(exactly(1))], {})
        return made.shape[1]

    assert cut(exactly(512)) is TOKENS
    assert cut(exactly(2)) == (2, 2)


def test_what_is_spread_over_a_size_has_it() -> None:
    [made] = LAYOUTS["Expand"]([Known(shape=(exactly(1), exactly(1)), item=8), numbers(ROWS, TOKENS)], {})
    assert made.shape[0] is ROWS
    assert made.shape[1] is TOKENS


def test_heads_that_an_exporter_leaves_open_are_as_many_as_they_were() -> None:
    """Attention splits a width into heads of 32 with an open number: 12 of 384, however many texts and tokens."""
    states = Known(shape=(ROWS, TOKENS, exactly(384)), item=4)
    [made] = LAYOUTS["Reshape"]([states, numbers(ROWS, TOKENS, exactly(-1), exactly(32))], {})
    assert made.shape == (ROWS, TOKENS, exactly(12), exactly(32))
