"""Scores as a v2 answer, in JSON or with binary tensors behind it, and as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import Identity, parameters
from pressrun.serving.reading import Inference
from pressrun.serving.tensors import BINARY_SIZE, bytes_of

_encode = msgspec.json.Encoder().encode


class Output(NamedTuple):
    """An output as the protocol has it; `values` is flat, in row-major order."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[str] | NDArray[Any]
    labels: Sequence[str] = ()


def outputs_of(task: str, labels: Sequence[str], scores: np.ndarray) -> list[Output]:
    """What a model of that task answers; `scores` is (n, k)."""
    rows, width = scores.shape
    if task == "classification":
        chosen = [labels[place] for place in scores.argmax(axis=1).tolist()]
        return [
            Output(name="label", datatype="BYTES", shape=[rows], values=chosen),
            Output(
                name="probabilities",
                datatype="FP32",
                shape=[rows, width],
                values=scores.round(6).ravel(),
                labels=labels,
            ),
        ]
    if task == "embedding":
        return [Output(name="embedding", datatype="FP32", shape=[rows, width], values=scores.ravel())]
    return [Output(name="scores", datatype="FP64", shape=[rows], values=scores.ravel())]


def refuse_unknown(task: str, wanted: frozenset[str]) -> None:
    """Raises BadRequest for an output that no model of that task has."""
    known = {"classification": ("label", "probabilities"), "embedding": ("embedding",)}.get(task, ("scores",))
    if unknown := sorted(wanted.difference(known)):
        raise BadRequest(f"unknown output {unknown[0][:40]!r}; this model answers {', '.join(known)}")


def described(task: str, labels: Sequence[str], width: int) -> list[dict[str, Any]]:
    """The outputs in a model's metadata."""
    made = outputs_of(task, labels, np.zeros((1, width)))
    return [{"name": one.name, "datatype": one.datatype, "shape": [-1, *one.shape[1:]]} for one in made]


def render(
    who: Identity, request_id: str, outputs: Sequence[Output], inference: Inference
) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """A v2 answer and the headers that it needs beside its type."""
    told: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for one in outputs:
        if inference.outputs is not None and one.name not in inference.outputs:
            continue
        entry: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
        more: dict[str, Any] = {"labels": one.labels} if one.labels else {}
        if inference.binary is True or (inference.binary and one.name in inference.binary):
            behind.append(bytes_of(one.values, one.datatype))
            more[BINARY_SIZE] = len(behind[-1])
        else:
            entry["data"] = one.values.tolist() if isinstance(one.values, np.ndarray) else one.values
        told.append({**entry, "parameters": more} if more else entry)
    document = {
        "model_name": who.model,
        "model_version": who.version,
        "id": request_id,
        "parameters": parameters(who),
        "outputs": told,
    }
    content = _encode(document)
    if not behind:
        return content, (("content-type", "application/json"),)
    kind = (("content-type", "application/octet-stream"), ("inference-header-content-length", str(len(content))))
    return content + b"".join(behind), kind


def plain(who: Identity, request_id: str, task: str, labels: Sequence[str], scores: np.ndarray) -> dict[str, Any]:
    """The answer of `POST /predict`."""
    return {**_said(task, labels, scores), "model": who.model, "request_id": request_id, **parameters(who)}


def _said(task: str, labels: Sequence[str], scores: np.ndarray) -> dict[str, Any]:
    first = scores[0].tolist()
    if task == "classification":
        both = zip(labels, first, strict=True)
        return {
            "label": labels[int(scores[0].argmax())],
            "probabilities": {label: round(score, 6) for label, score in both},
        }
    if task == "embedding":
        return {"embedding": first}
    if task == "reranking":
        return {"scores": scores.ravel().tolist()}
    return {"score": first[0]}
