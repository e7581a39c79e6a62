"""Whether two answers to the same articles say the same, for any server of the Open Inference Protocol."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_REAL = ("FP", "BF")
PROBABILITIES = "probabilities"


class Expected(BaseModel):
    """What the gate saw of candidate and champion on the same `rows` articles, as shares of them.

    `disagreement`: their top topics differ; `abstention`: the candidate declines where the champion answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=0)
    disagreement: float = Field(ge=0, le=1)
    abstention: float | None = Field(default=None, ge=0, le=1)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two arms' answers to the same articles: how many pairs, by (they agree, only the candidate declines)."""

    kinds: Mapping[tuple[bool, bool], int]

    @property
    def pairs(self) -> int:
        return sum(self.kinds.values())

    @property
    def differ(self) -> int:
        return sum(number for (agree, _), number in self.kinds.items() if not agree)

    @property
    def declined(self) -> int:
        return sum(number for (_, declined), number in self.kinds.items() if declined)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is said of one article: a topic, or whatever the model answers, and how sure of its best topic it is."""

    what: object
    sure: float | None = None

    def declines(self, below: float) -> bool:
        """Whether no topic is named, or none is at least as likely as `below`."""
        return self.what in (None, "") or (self.sure is not None and self.sure < below)


def statements(answer: bytes | Any) -> tuple[Statement, ...]:
    """What an answer (a body, or its document) says of each article; nothing when that cannot be told.

    The output `label` where there is one; else every output that is no real number; else the place of each row's
    highest value, or a single value of three digits.
    """
    try:
        document = json.loads(answer) if isinstance(answer, bytes) else answer
        if "label" in document:
            sure = [float(value) for value in document.get(PROBABILITIES, {}).values()]
            return (Statement(what=document["label"], sure=max(sure, default=None)),)
        return tuple(_said({output["name"]: output for output in document["outputs"]}))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return ()


def compared(
    candidate: tuple[Statement, ...], champion: tuple[Statement, ...], *, below: float = 0.0
) -> Compared | None:
    """Article by article; None when either answer says nothing, or they are not of the same articles."""
    if not candidate or len(candidate) != len(champion):
        return None
    return Compared(
        kinds=Counter(
            (ours.what == theirs.what, ours.declines(below) and not theirs.declines(below))
            for ours, theirs in zip(candidate, champion, strict=True)
        )
    )


def _said(outputs: Mapping[str, Mapping[str, Any]]) -> Iterator[Statement]:
    if "label" in outputs:
        labels = list(_flat(outputs["label"]["data"]))
        sure = _surest(outputs[PROBABILITIES], len(labels)) if PROBABILITIES in outputs else [None] * len(labels)
        yield from (Statement(what=label, sure=one) for label, one in zip(labels, sure, strict=True))
        return
    exact = {name: _rows(one) for name, one in outputs.items() if not _is_real(one)}
    decided = {name: [_decided(row) for row in _rows(one)] for name, one in outputs.items()} if not exact else {}
    told: Mapping[str, Sequence[object]] = exact or decided
    if len({len(rows) for rows in told.values()}) > 1:
        yield Statement(what=told)
        return
    for row in zip(*told.values(), strict=True):
        yield Statement(what=dict(zip(told, row, strict=True)))


def _surest(output: Mapping[str, Any], rows: int) -> list[float | None]:
    found: list[float | None] = [max(float(value) for value in row) for row in _rows(output)]
    return found if len(found) == rows else [None] * rows


def _is_real(output: Mapping[str, Any]) -> bool:
    return str(output["datatype"]).startswith(_REAL)


def _rows(output: Mapping[str, Any]) -> list[list[Any]]:
    """An output's values by row; the protocol lets data be nested as its shape or flat."""
    values, rows = list(_flat(output["data"])), int(output["shape"][0])
    width, rest = divmod(len(values), rows)
    if rest or not width:
        raise ValueError(f"{len(values)} values in {rows} rows")
    return [values[start : start + width] for start in range(0, len(values), width)]


def _decided(row: list[Any]) -> object:
    values = [float(value) for value in row]
    return f"{values[0]:.3g}" if len(values) == 1 else max(range(len(values)), key=values.__getitem__)


def _flat(data: Any) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
