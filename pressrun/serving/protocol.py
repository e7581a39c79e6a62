"""Open Inference Protocol v2 in JSON, read into a batch of articles and written from their scores.

Protocol: https://github.com/open-inference/open-inference-protocol. Requests are hostile input: everything is checked
here, and what is handed on needs no second look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_BATCH = 256
MAX_ID = 200

_TENSORS = ("title", "body", "text")


class BadRequest(Exception):
    """The request cannot be answered as it is; sending it again does not help. Holds the HTTP status."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Article:
    """One article to score: either `text`, or `title` and `body`; ids as the client gave them."""

    title: str = ""
    body: str = ""
    text: str | None = None
    article_id: str | None = None
    impression_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inference:
    """A checked request: at least one article, at the most `MAX_BATCH`."""

    request_id: str | None
    articles: tuple[Article, ...]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who answers: the model and the place its server has in a rollout."""

    model: str
    version: str
    digest: str
    arm: str = "champion"
    generation: int = 0


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises BadRequest for anything else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest(f"the body must be a JSON object, got {type(document).__name__}")
    return document


def parse_inference(document: Mapping[str, Any]) -> Inference:
    """Reads a v2 inference request with BYTES inputs `text`, or `title` and/or `body`. Raises BadRequest."""
    parameters = _mapping(document.get("parameters", {}), "parameters")
    columns = _columns(document.get("inputs"))
    rows = len(next(iter(columns.values())))
    articles = _rows(columns, rows, _ids(parameters, "article_id", rows), _ids(parameters, "impression_id", rows))
    return Inference(request_id=_id(document.get("id"), "id"), articles=articles)


def parse_article(document: Mapping[str, Any]) -> Inference:
    """Reads `{"title": ..., "body": ...}` or `{"text": ...}`, for people with curl. Raises BadRequest."""
    given: dict[str, Any] = {n: _text(document[n], n) for n in _TENSORS if document.get(n) is not None}
    if not given:
        raise BadRequest('give an article as {"title": "...", "body": "..."} or {"text": "..."}')
    given |= {name: _id(document.get(name), name) for name in ("article_id", "impression_id")}
    article = Article(**given)
    return Inference(request_id=_id(document.get("id"), "id"), articles=(article,))


def render_inference(
    identity: Identity, request_id: str, labels: Sequence[str], scores: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
    """The v2 answer: `label` BYTES [n] and `probabilities` FP32 [n, k], columns in the order of `names`."""
    rows, classes = scores.shape
    return {
        "model_name": identity.model,
        "model_version": identity.version,
        "id": request_id,
        "parameters": parameters(identity),
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [rows], "data": list(labels)},
            {
                "name": "probabilities",
                "datatype": "FP32",
                "shape": [rows, classes],
                "parameters": {"labels": list(names)},
                "data": [round(float(score), 6) for score in scores.ravel()],
            },
        ],
    }


def parameters(identity: Identity) -> dict[str, Any]:
    """What every answer says about who gave it."""
    return {
        "model_version": identity.version,
        "digest": identity.digest,
        "arm": identity.arm,
        "generation": identity.generation,
    }


def _columns(inputs: Any) -> dict[str, list[str]]:
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest("inputs must be a list of tensors named text, or title and body")
    columns: dict[str, list[str]] = {}
    for tensor in inputs:
        name, data = _tensor(tensor)
        if name in columns:
            raise BadRequest(f"input {name} is given twice")
        columns[name] = data
    _check_columns(columns)
    return columns


def _check_columns(columns: Mapping[str, list[str]]) -> None:
    if "text" in columns and len(columns) > 1:
        raise BadRequest("give either text, or title and body, not both")
    sizes = {name: len(data) for name, data in columns.items()}
    if len(set(sizes.values())) != 1:
        raise BadRequest(f"inputs must have the same length, got {sizes}")
    rows = next(iter(sizes.values()))
    if not 1 <= rows <= MAX_BATCH:
        raise BadRequest(f"a request holds 1 to {MAX_BATCH} articles, got {rows}")


def _tensor(tensor: Any) -> tuple[str, list[str]]:
    tensor = _mapping(tensor, "an input")
    name, datatype, data = tensor.get("name"), tensor.get("datatype"), tensor.get("data")
    if name not in _TENSORS:
        raise BadRequest(f"unknown input {str(name)[:40]!r}; known: {', '.join(_TENSORS)}")
    if datatype != "BYTES":
        raise BadRequest(f"input {name} must have datatype BYTES, got {str(datatype)[:40]!r}")
    if not isinstance(data, list):
        raise BadRequest(f"input {name}: data must be a list of strings")
    flat = [_text(value, name) for value in _flat(data)]
    _check_shape(name, tensor.get("shape"), len(flat))
    return name, flat


def _flat(data: list[Any]) -> list[Any]:
    """`[n]` and `[n, 1]` both come as n values."""
    return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in data]


def _check_shape(name: str, shape: Any, rows: int) -> None:
    if shape not in ([rows], [rows, 1]):
        raise BadRequest(f"input {name}: shape must be [{rows}] for its {rows} values, got {str(shape)[:40]}")


def _rows(
    columns: Mapping[str, list[str]], rows: int, articles: list[str | None], impressions: list[str | None]
) -> tuple[Article, ...]:
    return tuple(
        Article(
            **{name: data[row] for name, data in columns.items()},
            article_id=articles[row],
            impression_id=impressions[row],
        )
        for row in range(rows)
    )


def _ids(parameters: Mapping[str, Any], name: str, rows: int) -> list[str | None]:
    """One id for all rows, or a list with one for each."""
    value = parameters.get(name)
    values = value if isinstance(value, list) else [value] * rows
    if len(values) != rows:
        raise BadRequest(f"parameter {name} holds {len(values)} ids for {rows} articles")
    return [_id(value, name) for value in values]


def _id(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str | int) or len(str(value)) > MAX_ID:
        raise BadRequest(f"{name} must be a text of at most {MAX_ID} characters")
    return str(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be text, got {type(value).__name__}")
    return value


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be a JSON object, got {type(value).__name__}")
    return value
