"""What a model reads of a request, good and hostile, in JSON and in bytes."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.bundle import Pairs, article_text
from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import parse_infer
from pressrun.serving.reading import MAX_BATCH, Inference, read_inference, read_plain
from pressrun.serving.tensors import Tail, bytes_of


@dataclass(frozen=True)
class Reads:
    input: str
    columns: tuple[str, ...] | None = None


ARTICLES, PAIRS, COLUMNS = Reads("article_text"), Reads("text_pair"), Reads("columns", ("age", "views"))


def tensor(name: str, *data: Any, **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data), **changes}


def rows(*values: float, **changes: Any) -> dict[str, Any]:
    return tensor("features", *values, **{"datatype": "FP64", "shape": [len(values) // 2, 2], **changes})


def read(request: dict[str, Any], signature: Reads = ARTICLES, tail: bytes = b"") -> Inference:
    return read_inference(parse_infer(json.dumps(request).encode()), Tail(tail), signature)


def test_title_and_body_become_texts_with_the_ids_of_the_parameters() -> None:
    request = {
        "id": "r1",
        "inputs": [tensor("title", "a", "b"), tensor("body", ["c"], ["d"], shape=[2, 1])],
        "parameters": {"article_id": ["x", "y"], "impression_id": "i"},
    }
    found = read(request)
    assert found.request_id == "r1"
    assert found.batch == [article_text("a", "c"), article_text("b", "d")]
    assert (found.article_ids, found.impression_ids) == (["x", "y"], ["i", "i"])


@pytest.mark.parametrize(("shape", "said"), [([5000, 2], "1 to 4096 rows, got 5000"), ([2, 5], "2 columns, got 5")])
def test_columns_of_another_shape_are_refused_before_their_numbers_are_read(shape: list[int], said: str) -> None:
    """Reading them would hold everybody up for as long as answering does."""
    request = {"inputs": [rows(1, 2, shape=shape, data="nothing that could be read")]}
    with pytest.raises(BadRequest, match=said):
        read(request, COLUMNS)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([[1, 0], [1, 0]], r"shape must be \[rows\] or \[rows, 1\], got \[1, 0\]"),
        ([[100, 200], [100, 200]], r"got \[100, 200\]"),
        ([[2], [3]], r"the same number of rows, got \[2, 3\]"),
        ([[0], [0]], "1 to 4096 rows, got 0"),
        ([[4097], [4097]], "1 to 4096 rows, got 4097"),
        ([[], []], "got \\[\\]"),
        ([[-1], [-1]], "1 to 4096 rows, got -1"),
    ],
)
def test_a_column_by_itself_is_a_row_of_numbers_each(shapes: list[list[int]], said: str) -> None:
    inputs = [tensor(n, datatype="FP64", shape=shape) for n, shape in zip(("age", "views"), shapes, strict=True)]
    with pytest.raises(BadRequest, match=said):
        read({"inputs": inputs}, COLUMNS)


def test_more_data_than_its_shape_can_need_is_refused_unread() -> None:
    with pytest.raises(BadRequest, match=r"has 2\d{4} bytes for \[1, 2\]"):
        read({"inputs": [rows(*[1.0] * 4000, shape=[1, 2])]}, COLUMNS)


def test_what_no_number_can_hold_is_told() -> None:
    with pytest.raises(BadRequest, match="column age is too large"):
        read_plain({"columns": {"age": 10**400, "views": 1}}, COLUMNS)
    with pytest.raises(BadRequest, match="timeout must be microseconds"):
        read({"inputs": [tensor("text", "a")], "parameters": {"timeout": 10**400}})


def test_columns_come_as_one_tensor_or_as_one_each_in_any_order_and_type() -> None:
    whole = read({"inputs": [rows(1, 2.5, 3, 4)]}, COLUMNS)
    apart = [
        tensor("views", 2.5, 4, datatype="FP32"),
        tensor("age", 1, 3, datatype="INT32", shape=[2, 1]),
    ]
    assert isinstance(whole.batch, np.ndarray)
    assert whole.batch.tolist() == [[1, 2.5], [3, 4]]
    assert np.array_equal(whole.batch, read({"inputs": apart}, COLUMNS).batch)  # type: ignore[arg-type]
    assert whole.digests == read({"inputs": apart}, COLUMNS).digests


def test_one_query_goes_with_every_text() -> None:
    found = read({"inputs": [tensor("query", "rates"), tensor("text", "a", "b")]}, PAIRS)
    assert found.batch == Pairs(queries=["rates", "rates"], texts=["a", "b"])
    assert len(set(found.digests)) == 2


def test_binary_tensors_are_read_in_the_order_of_the_inputs() -> None:
    first, second = bytes_of(["é", ""], "BYTES"), bytes_of(["c", "d"], "BYTES")
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(content)}}
        for name, content in (("title", first), ("body", second))
    ]
    assert read({"inputs": inputs}, tail=first + second).batch == [article_text("é", "c"), article_text("", "d")]
    numbers = np.array([[1.5, 2], [3, 4]])
    content = bytes_of(numbers, "FP32")
    given = {**rows(1, 2, 3, 4, datatype="FP32"), "parameters": {"binary_data_size": len(content)}}
    del given["data"]
    assert np.array_equal(read({"inputs": [given]}, COLUMNS, tail=content).batch, numbers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"inputs": []}, "this model reads text, or title and body"),
        ({"inputs": [tensor("title")]}, "1 to 256 texts, got 0"),
        ({"inputs": [tensor("title", *["x"] * (MAX_BATCH + 1))]}, "got 257"),
        ({"inputs": [tensor("title", "a", shape=[2])]}, r"shape \[2\] has 2 values, got 1"),
        ({"inputs": [tensor("title", "a", shape=[-1])]}, "shape must be"),
        ({"inputs": [tensor("title", "a", shape=[])]}, "shape must be"),
        ({"inputs": [tensor("title", "a", shape=[1, 10**7])]}, "values, at the most"),
        ({"inputs": [tensor("title", "a", shape=[10**6])]}, "1 to 256 texts, got 1000000"),
        ({"inputs": [tensor("title", 1)]}, "Expected `str`, got `int`"),
        ({"inputs": [tensor("title", "a", datatype="FP32")]}, "datatype BYTES"),
        ({"inputs": [{"name": "title", "datatype": "BYTES", "shape": [1]}]}, "has no data"),
        ({"inputs": [tensor("headline", "a")]}, "unknown input 'headline'"),
        ({"inputs": [tensor("title", "a"), tensor("title", "a")]}, "given twice"),
        ({"inputs": [tensor("title", "a"), tensor("text", "a")]}, "not both"),
        ({"inputs": [tensor("title", "a"), tensor("body", "a", "b")]}, "the same length"),
        ({"inputs": [tensor("title", "a")], "parameters": {"article_id": "x" * 201}}, "at most 200"),
        ({"inputs": [tensor("title", "a")], "parameters": {"article_id": ["x", "y"]}}, "holds 2 ids for 1 rows"),
        ({"inputs": [tensor("title", "a")], "parameters": {"timeout": "soon"}}, "microseconds"),
    ],
)
def test_a_wrong_request_for_articles_is_told_what_is_wrong(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        read(request_)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (rows(1, 2, 3, shape=[1, 3]), "a row has 2 columns, got 3: age, views"),
        (rows(1, 2, datatype="BYTES", data=["a", "b"]), "must hold numbers"),
        (rows(1, 2, datatype="FP128"), "must hold numbers"),
        (rows(1, 2, data=[1, "x"]), "Expected `float`, got `str`"),
        (rows(1, 2, data=[[1, 2], [3]], shape=[2, 2]), "has 4 values, got 3"),
        (rows(1, 2, data=[], shape=[0, 2]), "1 to 4096 rows, got 0"),
        (tensor("age", 1, datatype="FP64"), "missing: views; unknown: none"),
        (tensor("nonsense", 1, datatype="FP64"), "missing: age, views; unknown: nonsense"),
    ],
)
def test_wrong_columns_are_told_what_is_wrong(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        read({"inputs": [given]}, COLUMNS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_named_by_its_place(value: float) -> None:
    content = struct.pack("<2d", 1.0, value)
    given = {"name": "features", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}}
    with pytest.raises(BadRequest, match=r"value 1 is (nan|-?inf); give finite numbers"):
        read({"inputs": [given]}, COLUMNS, tail=content)


def test_a_text_in_json_that_is_no_utf_8_is_refused() -> None:
    body = json.dumps({"inputs": [tensor("title", "a")]}).encode().replace(b'"a"', b'"\xe1"')
    with pytest.raises(BadRequest, match="title"):
        read_inference(parse_infer(body), Tail(), ARTICLES)


@pytest.mark.parametrize(
    ("size", "tail", "says"),
    [
        (17, b"x" * 16, "16 bytes are left"),
        (-1, b"x" * 16, "bytes are left"),
        (True, b"x" * 16, "bytes are left"),
        (8, b"x" * 8, "has 16 bytes as FP64, got 8"),
        (16, b"x" * 20, "4 bytes follow the last input's"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(size: int, tail: bytes, says: str) -> None:
    given = {"name": "features", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": size}}
    with pytest.raises(BadRequest, match=says):
        read({"inputs": [given]}, COLUMNS, tail=tail)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xff\xff\xff", "is said to have 4294967295 bytes"),
        (b"\x01\x00\x00\x00\xff", "no UTF-8"),
        (b"\x00\x00\x00\x00\x00", "more bytes than its 1 texts have"),
        (b"\x00", "more bytes than its 1 texts have"),
    ],
)
def test_texts_in_bytes_that_lie_about_their_length_are_refused(content: bytes, says: str) -> None:
    given = {
        "name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(content)},
    }  # fmt: skip
    with pytest.raises(BadRequest, match=says):
        read({"inputs": [given]}, tail=content)


@given(content=st.binary(max_size=40), size=st.integers(0, 40), shape=st.lists(st.integers(0, 4), max_size=3))
def test_no_bytes_break_the_reader(content: bytes, size: int, shape: list[int]) -> None:
    for name, datatype, signature in (("text", "BYTES", ARTICLES), ("features", "FP32", COLUMNS)):
        one = {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
        with suppress(BadRequest):
            assert read({"inputs": [one]}, signature, tail=content).rows


@pytest.mark.parametrize(
    ("signature", "document", "expected"),
    [
        (ARTICLES, {"title": "a", "body": "b"}, [article_text("a", "b")]),
        (ARTICLES, {"text": "a"}, ["a"]),
        (PAIRS, {"query": "q", "texts": ["a", "b"]}, Pairs(queries=["q", "q"], texts=["a", "b"])),
        (PAIRS, {"query": "q", "text": "a"}, Pairs(queries=["q"], texts=["a"])),
    ],
)
def test_what_people_write_is_read(signature: Reads, document: dict[str, Any], expected: Any) -> None:
    assert read_plain(document, signature).batch == expected


def test_named_columns_are_read_in_the_model_s_order() -> None:
    found = read_plain({"columns": {"views": 2, "age": 1.5}}, COLUMNS).batch
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [[1.5, 2]]


@pytest.mark.parametrize(
    ("signature", "document", "says"),
    [
        (ARTICLES, {}, "give an article as"),
        (ARTICLES, {"title": 3}, "title must be text, got int"),
        (ARTICLES, {"title": "a", "text": "b"}, "not both"),
        (PAIRS, {"query": "q"}, "give {"),
        (PAIRS, {"query": "q", "texts": []}, "1 to 256 texts, got 0"),
        (COLUMNS, {"columns": {"age": 1}}, "missing: views"),
        (COLUMNS, {"columns": {"age": "x", "views": 1}}, "column age must be a number, got str"),
        (COLUMNS, {"columns": {"age": True, "views": 1}}, "column age must be a number, got bool"),
    ],
)
def test_what_people_write_wrongly_is_told(signature: Reads, document: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        read_plain(document, signature)
