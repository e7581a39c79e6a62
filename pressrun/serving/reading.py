"""A checked request for a model: what its bundle reads, made of what a client sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np

from pressrun.bundle import Batch, Pairs, article_text
from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import InferRequest, Tensor
from pressrun.serving.tensors import Tail, numbers, texts

MAX_BATCH = 256
"""Texts or pairs in a request."""
MAX_COLUMN_ROWS = 4096
MAX_ID = 200
BINARY_OUTPUT = "binary_data_output"
_ARTICLE, _PAIR = ("title", "body", "text"), ("query", "text")


class Signature(Protocol):
    """Of a bundle's manifest, what a request is read by."""

    @property
    def input(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...] | None: ...


class Inference(msgspec.Struct, kw_only=True, dict=True):
    """A checked request: at least one row. Ids are the client's; `outputs` are the names that it wants, None all, and
    `binary` those wanted as bytes."""

    batch: Batch
    request_id: str | None = None
    article_ids: Sequence[str | None] = ()
    impression_ids: Sequence[str | None] = ()
    outputs: frozenset[str] | None = None
    binary: frozenset[str] | bool = False
    seconds: float | None = None

    @property
    def rows(self) -> int:
        return len(self.batch)

    @cached_property
    def digests(self) -> list[str]:
        """SHA-256 of each row: what the log keeps of it, and what a known answer is found by."""
        return [hashlib.sha256(row).hexdigest() for row in _canonical(self.batch)]


def read_inference(request: InferRequest, tail: Tail, signature: Signature) -> Inference:
    """What a v2 request asks of a model with that signature. Raises BadRequest."""
    if not request.inputs:
        raise BadRequest(f"inputs is empty; this model reads {wanted(signature)}")
    batch = _READ[signature.input](request.inputs, tail, signature)
    tail.end()
    given, rows = request.parameters, len(batch)
    if not given and request.outputs is None:
        nobody: Sequence[str | None] = [None] * rows
        return Inference(
            batch=batch, request_id=_id(request.id, "id"), article_ids=nobody, impression_ids=nobody
        )  # fmt: skip
    given = given or {}
    return Inference(
        batch=batch,
        request_id=_id(request.id, "id"),
        article_ids=_ids(given, "article_id", rows),
        impression_ids=_ids(given, "impression_id", rows),
        outputs=None if request.outputs is None else frozenset(one.name for one in request.outputs),
        binary=_binary(request),
        seconds=_timeout(given.get("timeout")),
    )


def read_plain(document: Mapping[str, Any], signature: Signature) -> Inference:
    """What `POST /predict` asks: an article, named columns or pairs, as people write them. Raises BadRequest."""
    batch = _PLAIN[signature.input](document, signature)
    rows = len(batch)
    return Inference(
        batch=batch,
        request_id=_id(document.get("id"), "id"),
        article_ids=[_id(document.get("article_id"), "article_id")] * rows,
        impression_ids=[_id(document.get("impression_id"), "impression_id")] * rows,
    )


def wanted(signature: Signature) -> str:
    """In words, the inputs that a model reads."""
    if signature.input == "columns":
        return f"features FP64 [rows, {len(signature.columns or ())}], or one input a column"
    return "query and text" if signature.input == "text_pair" else "text, or title and body"


def _articles(inputs: Sequence[Tensor], tail: Tail, signature: Signature) -> list[str]:
    found = _named(inputs, tail, _ARTICLE)
    if "text" in found and len(found) > 1:
        raise BadRequest("give either text, or title and body, not both")
    rows = _rows(found)
    if "text" in found:
        return found["text"]
    return [
        article_text(found.get("title", [""] * rows)[row], found.get("body", [""] * rows)[row]) for row in range(rows)
    ]


def _pairs(inputs: Sequence[Tensor], tail: Tail, signature: Signature) -> Pairs:
    found = _named(inputs, tail, _PAIR)
    if set(found) != set(_PAIR):
        raise BadRequest("give query, one or as many as texts, and text")
    return _paired(found["query"], found["text"])


def _paired(queries: Sequence[str], found: Sequence[str]) -> Pairs:
    queries = list(queries) * len(found) if len(queries) == 1 else list(queries)
    _rows({"query": queries, "text": found})
    return Pairs(queries=queries, texts=found)


def _columns(inputs: Sequence[Tensor], tail: Tail, signature: Signature) -> np.ndarray:
    names = signature.columns or ()
    # Reading numbers that are refused then would hold everybody up for as long as answering does.
    if len(inputs) == 1 and len(inputs[0].shape) == 2:
        rows, width = inputs[0].shape
        if width != len(names):
            raise BadRequest(f"a row has {len(names)} columns, got {width}: {_some(names)}")
        _refuse_rows(rows)
        return numbers(inputs[0], tail)
    _refuse_names([one.name for one in inputs], names)
    sizes = {_rows_of_column(one) for one in inputs}
    if len(sizes) != 1:
        raise BadRequest(f"columns must have the same number of rows, got {sorted(sizes)}")
    _refuse_rows(*sizes)
    found = {one.name: numbers(one, tail).ravel() for one in inputs}
    return np.column_stack([found[name] for name in names])


def _refuse_rows(rows: int) -> None:
    if not 1 <= rows <= MAX_COLUMN_ROWS:
        raise BadRequest(f"a request holds 1 to {MAX_COLUMN_ROWS} rows, got {rows}")


def _rows_of_column(tensor: Tensor) -> int:
    if len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1):
        return tensor.shape[0]
    raise BadRequest(f"column {tensor.name[:40]}: shape must be [rows] or [rows, 1], got {str(tensor.shape)[:40]}")


def _refuse_names(given: Sequence[str], names: Sequence[str]) -> None:
    """Unless each column is there once, in any order."""
    there = set(given)
    missing, strange = [name for name in names if name not in there], sorted(there.difference(names))
    if missing or strange or len(given) != len(names):
        raise BadRequest(f"one input a column is read, each once; missing: {_some(missing)}; unknown: {_some(strange)}")


def _named(inputs: Sequence[Tensor], tail: Tail, names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tensor in inputs:
        if tensor.name not in names:
            raise BadRequest(f"unknown input {tensor.name[:40]!r}; known: {', '.join(names)}")
        if tensor.name in found:
            raise BadRequest(f"input {tensor.name} is given twice")
        if tensor.shape and tensor.shape[0] > MAX_BATCH:
            raise BadRequest(f"a request holds 1 to {MAX_BATCH} texts, got {tensor.shape[0]}")
        found[tensor.name] = texts(tensor, tail)
    return found


def _rows(found: Mapping[str, Sequence[str]]) -> int:
    sizes = {name: len(values) for name, values in found.items()}
    rows = next(iter(sizes.values()))
    if set(sizes.values()) != {rows}:
        raise BadRequest(f"inputs must have the same length, got {sizes}")
    if not 1 <= rows <= MAX_BATCH:
        raise BadRequest(f"a request holds 1 to {MAX_BATCH} texts, got {rows}")
    return rows


def _plain_article(document: Mapping[str, Any], signature: Signature) -> list[str]:
    given = {name: _text(document[name], name) for name in _ARTICLE if document.get(name) is not None}
    if not given:
        raise BadRequest('give an article as {"title": "...", "body": "..."} or {"text": "..."}')
    if "text" in given and len(given) > 1:
        raise BadRequest("give either text, or title and body, not both")
    return [given.get("text", "")] if "text" in given else [article_text(given.get("title"), given.get("body"))]


def _plain_pairs(document: Mapping[str, Any], signature: Signature) -> Pairs:
    query, found = document.get("query"), document.get("texts", document.get("text"))
    found = [found] if isinstance(found, str) else found
    if not isinstance(query, str) or not isinstance(found, list):
        raise BadRequest('give {"query": "...", "texts": ["...", "..."]}')
    return _paired([query], [_text(one, "texts") for one in found])


def _plain_columns(document: Mapping[str, Any], signature: Signature) -> np.ndarray:
    names, given = signature.columns or (), document.get("columns")
    if not isinstance(given, dict):
        raise BadRequest(f'give {{"columns": {{"name": number, ...}}}} with {_some(names)}')
    _refuse_names(list(given), names)
    return np.array([[_number(given[name], name) for name in names]])


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"column {name[:40]} must be a number, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise BadRequest(f"column {name[:40]} is too large for a number of 64 bits") from None


def _binary(request: InferRequest) -> frozenset[str] | bool:
    everything = (request.parameters or {}).get(BINARY_OUTPUT) is True
    if request.outputs is None:
        return everything
    return frozenset(
        one.name for one in request.outputs if (one.parameters or {}).get("binary_data", everything) is True
    )


def _timeout(given: Any) -> float | None:
    """Microseconds, as Triton's scheduling policy has them."""
    if given is None or given == 0:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 2**63:
        raise BadRequest("timeout must be microseconds, a whole number above 0 and below 2^63")
    return given / 1e6


def _ids(given: Mapping[str, Any], name: str, rows: int) -> list[str | None]:
    """One id for all rows, or a list with one for each."""
    value = given.get(name)
    if value is None:
        return [None] * rows
    values = value if isinstance(value, list) else [value] * rows
    if len(values) != rows:
        raise BadRequest(f"parameter {name} holds {len(values)} ids for {rows} rows")
    return [_id(value, name) for value in values]


def _id(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > MAX_ID:
        raise BadRequest(f"{name} must be a text of at most {MAX_ID} characters")
    return str(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be text, got {type(value).__name__}")
    return value


def _some(names: Sequence[str]) -> str:
    """The first few names."""
    shown = ", ".join(str(name)[:40] for name in names[:5])
    return (f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown) or "none"


def _canonical(batch: Batch) -> list[bytes]:
    """The bytes that each row is: two rows are the same if and only if these are."""
    if isinstance(batch, np.ndarray):
        return [row.tobytes() for row in np.ascontiguousarray(batch)]
    if isinstance(batch, Pairs):
        return [_joined(query, text) for query, text in zip(batch.queries, batch.texts, strict=True)]
    return [text.encode("utf-8", "surrogatepass") for text in batch]


def _joined(query: str, text: str) -> bytes:
    first, second = (one.encode("utf-8", "surrogatepass") for one in (query, text))
    return b"%d:%b%b" % (len(first), first, second)


_Read: TypeAlias = Callable[[Sequence[Tensor], Tail, Signature], Batch]
_Plain: TypeAlias = Callable[[Mapping[str, Any], Signature], Batch]
_READ: Mapping[str, _Read] = {"article_text": _articles, "text_pair": _pairs, "columns": _columns}
_PLAIN: Mapping[str, _Plain] = {
    "article_text": _plain_article,
    "text_pair": _plain_pairs,
    "columns": _plain_columns,
}
