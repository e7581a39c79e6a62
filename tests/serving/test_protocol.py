"""A request's JSON: what it must be, and what is said of one that is not."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import parse_infer, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["inputs", "name", "data"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "missing required field `inputs`"),
        ({"inputs": 3}, r"Expected `array`, got `int` - at `\$\.inputs`"),
        ({"inputs": [{"name": "text", "shape": [1], "data": ["x"]}]}, "missing required field `datatype`"),
        ({"inputs": [{"name": "text", "shape": "1", "datatype": "BYTES", "data": []}]}, r"inputs\[0\]\.shape"),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        parse_infer(json.dumps(request_).encode())


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"{", b"[" * 100_000, b'{"a": NaN}'])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    for parse in (parse_json, parse_infer):
        with pytest.raises(BadRequest):
            parse(body)


@given(document=JSON)
def test_no_document_breaks_the_parser(document: Any) -> None:
    for parse in (parse_json, parse_infer):
        with suppress(BadRequest):
            assert parse(json.dumps(document).encode()) is not None
