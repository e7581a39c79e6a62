"""Whether two answers say the same, and which of them decline."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pressrun.agreement import Compared, compared, statements

LABEL = {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["World"]}
SCORES = {"name": "p", "datatype": "FP32", "shape": [1, 2], "data": [0.6, 0.4]}
COUNTS = {"name": "n", "datatype": "INT64", "shape": [2], "data": [1, 2]}
PRICE = {"name": "price", "datatype": "FP64", "shape": [1], "data": [3.14159]}


def answer(*outputs: dict[str, Any]) -> bytes:
    return json.dumps({"outputs": outputs}).encode()


def tagged(labels: list[Any], sure: list[float]) -> bytes:
    """An answer of ours: a topic of three for each article, with probabilities."""
    data = [share for one in sure for share in (one, (1 - one) / 2, (1 - one) / 2)]
    probabilities = {"name": "probabilities", "datatype": "FP32", "shape": [len(sure), 3], "data": data}
    return answer({**LABEL, "shape": [len(labels)], "data": labels}, probabilities)


def pairs(one: bytes, other: bytes, *, below: float = 0.0) -> tuple[int, int, int]:
    both = compared(statements(one), statements(other), below=below)
    assert both is not None
    return both.pairs, both.differ, both.declined


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (answer(SCORES), answer({**SCORES, "data": [0.9, 0.1]}), 0),
        (answer(SCORES), answer({**SCORES, "data": [0.1, 0.9]}), 1),
        (answer(LABEL, SCORES), answer(LABEL, {**SCORES, "data": [0.1, 0.9]}), 0),
        (answer(COUNTS), answer({**COUNTS, "data": [1, 3]}), 1),
        (answer(COUNTS, SCORES), answer({**COUNTS, "data": [2, 3]}, SCORES), 2),
        (answer(PRICE), answer({**PRICE, "data": [3.14160]}), 0),
        (answer(PRICE), answer({**PRICE, "data": [3.2]}), 1),
        (answer(COUNTS, LABEL | {"name": "x"}), answer(COUNTS, LABEL | {"name": "x", "data": ["Sports"]}), 1),
        (b'{"label": "World"}', b'{"label": "World"}', 0),
    ],
)
def test_what_an_answer_says_is_its_labels_or_its_highest_scores(one: bytes, other: bytes, differ: int) -> None:
    assert pairs(one, other)[1] == differ


def test_each_article_of_a_batch_is_a_pair_of_its_own() -> None:
    one, other = tagged(["World", "Sports", "World"], [0.9] * 3), tagged(["World", "World", "World"], [0.9] * 3)
    assert pairs(one, other) == (3, 1, 0)
    nested = {**LABEL, "shape": [2, 1], "data": [["World"], ["Sports"]]}
    assert pairs(answer(nested), answer({**LABEL, "shape": [2], "data": ["World", "Sports"]})) == (2, 0, 0)


def test_an_article_is_declined_where_only_the_candidate_is_unsure_or_names_nothing() -> None:
    candidate, champion = tagged(["A", "A", "A", "", None], [0.4, 0.4, 0.9, 0.9, 0.9]), tagged(["A"] * 5, [0.9] * 5)
    assert pairs(candidate, champion, below=0.5) == (5, 2, 4)
    assert pairs(champion, candidate, below=0.5) == (5, 2, 0)
    assert pairs(candidate, candidate, below=0.5) == (5, 0, 0)
    assert pairs(candidate, champion)[2] == 2
    plain = b'{"label": "A", "probabilities": {"A": 0.4, "B": 0.3}}'
    assert pairs(plain, b'{"label": "A", "probabilities": {"A": 0.6}}', below=0.5) == (1, 0, 1)


@pytest.mark.parametrize("nothing", [b"", b"[]", b'{"outputs": []}', b'{"outputs": [{"name": "x"}]}', b"\xff", None])
def test_what_says_nothing_is_compared_with_nothing(nothing: bytes | None) -> None:
    assert statements(nothing) == ()
    assert compared(statements(nothing), statements(answer(LABEL))) is None
    assert compared(statements(tagged(["A", "B"], [0.9] * 2)), statements(answer(LABEL))) is None


def test_counts_of_kinds_add_up() -> None:
    both = Compared(kinds={(True, False): 5, (False, False): 3, (False, True): 2, (True, True): 1})
    assert (both.pairs, both.differ, both.declined) == (11, 5, 3)
