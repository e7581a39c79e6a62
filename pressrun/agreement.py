"""Whether two answers say the same, for any server of the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_REAL = ("FP", "BF")


def said(body: bytes) -> object:
    """What an answer says, in a form in which two can be compared; None when that cannot be told.

    The output `label` where there is one; else every output that is no real number; else each row's place of the
    highest value, or of a single value a row three digits.
    """
    try:
        return said_in(json.loads(body))
    except ValueError:
        return None


def said_in(document: Any) -> object:
    """The same of an answer that is no text any more."""
    try:
        if "label" in document:
            return [document["label"]]
        return _said({output["name"]: output for output in document["outputs"]}) or None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _said(outputs: Mapping[str, Mapping[str, Any]]) -> object:
    if "label" in outputs:
        return outputs["label"]["data"]
    exact = {name: list(_flat(one["data"])) for name, one in outputs.items() if not _is_real(one)}
    return exact or {name: _decided(one) for name, one in outputs.items()}


def _is_real(output: Mapping[str, Any]) -> bool:
    return str(output["datatype"]).startswith(_REAL)


def _decided(output: Mapping[str, Any]) -> list[object]:
    values, width = [float(value) for value in _flat(output["data"])], int(output["shape"][-1])
    if len(output["shape"]) < 2 or width < 2:
        return [f"{value:.3g}" for value in values]
    rows = (values[start : start + width] for start in range(0, len(values), width))
    return [max(range(len(row)), key=row.__getitem__) for row in rows]


def _flat(data: Iterable[Any]) -> Iterable[Any]:
    """The protocol lets data be nested as its shape or flat."""
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
