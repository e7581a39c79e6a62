"""Requests of the Open Inference Protocol, good and hostile."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.serving.protocol import MAX_BATCH, BadRequest, parse_article, parse_inference, parse_json


def tensor(name: str, *data: Any, **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data), **changes}


def test_title_and_body_become_articles_with_the_ids_of_the_parameters() -> None:
    request = {
        "id": "r1",
        "inputs": [tensor("title", "a", "b"), tensor("body", ["c"], ["d"], shape=[2, 1])],
        "parameters": {"article_id": ["x", "y"], "impression_id": "i"},
    }
    parsed = parse_inference(request)
    assert parsed.request_id == "r1"
    assert [(a.title, a.body, a.article_id, a.impression_id) for a in parsed.articles] == [
        ("a", "c", "x", "i"),
        ("b", "d", "y", "i"),
    ]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "inputs must be a list"),
        ({"inputs": [tensor("title")]}, "1 to 256 articles, got 0"),
        ({"inputs": [tensor("title", *["x"] * (MAX_BATCH + 1))]}, "got 257"),
        ({"inputs": [tensor("title", "a", shape=[2])]}, r"shape must be \[1\]"),
        ({"inputs": [tensor("title", 1)]}, "title must be text, got int"),
        ({"inputs": [tensor("title", "a", datatype="FP32")]}, "datatype BYTES"),
        ({"inputs": [tensor("headline", "a")]}, "unknown input 'headline'"),
        ({"inputs": [tensor("title", "a"), tensor("title", "a")]}, "given twice"),
        ({"inputs": [tensor("title", "a"), tensor("text", "a")]}, "not both"),
        ({"inputs": [tensor("title", "a"), tensor("body", "a", "b")]}, "the same length"),
        ({"inputs": [tensor("title", "a")], "parameters": {"article_id": "x" * 201}}, "at most 200"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        parse_inference(request_)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["inputs", "name", "data"]), inner),
    max_leaves=8,
)


@given(document=st.dictionaries(st.sampled_from(["inputs", "parameters", "id", "title", "text"]), JSON))
def test_no_document_breaks_the_parsers(document: dict[str, Any]) -> None:
    for parse in (parse_inference, parse_article):
        with suppress(BadRequest):
            assert parse(document).articles


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"{", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_json(body)
