"""What a gate judges: the true label of each row beside what one or two models said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pressrun.agreement import Expected

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SLICES = ("source", "section", "language")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One model's answers: the class (n,), and the probabilities (n, k) where they are known."""

    predicted: Ints
    probabilities: Floats | None = None

    @property
    def confidence(self) -> Floats | None:
        if self.probabilities is None:
            return None
        confidence: Floats = self.probabilities[np.arange(len(self.predicted)), self.predicted]
        return confidence


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """True-labeled rows, n of them, over k `labels`. `clusters` (n,) are near-duplicate groups."""

    articles: tuple[str, ...]
    labels: tuple[str, ...]
    target: Ints
    clusters: Ints
    candidate: Said
    champion: Said | None = None
    slices: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    titles: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.articles)


def evidence_of(candidate: pa.Table, champion: pa.Table | None = None, truth: pa.Table | None = None) -> Evidence:
    """Joins predictions (article_id, label, probabilities) by article with their truth (article_id, target).

    `probabilities` maps each label to its probability and may be left out. The truth may lie in a table of its own or
    in the candidate's; it may also have group_id, title, source, section and language.
    Raises ValueError when a column is missing, an article is repeated, or a model did not answer every row.
    """
    facts = _by_article(truth if truth is not None else candidate, "truth", ("target",))
    said = {"candidate": _by_article(candidate, "candidate", ("label",))}
    if champion is not None:
        said["champion"] = _by_article(champion, "champion", ("label",))
    articles = tuple(sorted(facts))
    for name, rows in said.items():
        _refuse_gaps(name, articles, rows)
    labels = _labels(facts, said)
    answers = {name: _said([rows[a] for a in articles], labels, name) for name, rows in said.items()}
    known = [facts[article] for article in articles]
    return Evidence(
        articles=articles,
        labels=labels,
        target=np.array([labels.index(row["target"]) for row in known], dtype=np.int64),
        clusters=codes([row.get("group_id") or row["article_id"] for row in known]),
        candidate=answers["candidate"],
        champion=answers.get("champion"),
        slices={name: tuple(row.get(name) for row in known) for name in SLICES},
        titles=tuple(row.get("title") or row["article_id"] for row in known),
    )


def expected_of(evidence: Evidence, *, below: float) -> Expected | None:
    """How often candidate and champion disagree, and only the candidate is less sure of a topic than `below`.

    None without a champion; the second is unknown where a model gave no probabilities.
    """
    candidate, champion = evidence.candidate, evidence.champion
    if champion is None or not len(evidence):
        return None
    abstention, ours, theirs = None, candidate.confidence, champion.confidence
    if ours is not None and theirs is not None:
        abstention = float(((ours < below) & (theirs >= below)).mean())
    differ = float((candidate.predicted != champion.predicted).mean())
    return Expected(rows=len(evidence), disagreement=differ, abstention=abstention)


def codes(values: Sequence[str]) -> Ints:
    """Numbers each distinct value: (n,) from n values."""
    return np.unique(np.array(values, dtype=str), return_inverse=True)[1].ravel().astype(np.int64)


def _by_article(table: pa.Table, name: str, needed: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    missing = [column for column in ("article_id", *needed) if column not in table.column_names]
    if missing:
        raise ValueError(f"the {name}'s rows lack {', '.join(missing)}; they have {', '.join(table.column_names)}")
    rows = table.to_pylist()
    found = {row["article_id"]: row for row in rows}
    if len(found) != len(rows):
        raise ValueError(f"the {name} has {len(rows)} rows on {len(found)} articles; one row an article is needed")
    empty = sum(row[column] is None for row in rows for column in needed)
    if empty:
        raise ValueError(f"{empty} of the {name}'s {len(rows)} rows have no {' or no '.join(needed)}; leave them out")
    return found


def _refuse_gaps(name: str, articles: tuple[str, ...], rows: Mapping[str, Any]) -> None:
    missing = [article for article in articles if article not in rows]
    if missing:
        raise ValueError(
            f"the {name} did not answer {len(missing)} of {len(articles)} true-labeled articles, "
            f"{missing[0]!r} for one; both models must answer the same rows"
        )


def _labels(facts: Mapping[str, Any], said: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    labels = {row["target"] for row in facts.values()}
    for rows in said.values():
        for row in rows.values():
            labels |= {row["label"], *_probabilities(row)}
    return tuple(sorted(labels))


def _said(rows: list[dict[str, Any]], labels: tuple[str, ...], name: str) -> Said:
    place = {label: k for k, label in enumerate(labels)}
    predicted = np.array([place[row["label"]] for row in rows], dtype=np.int64)
    known = [_probabilities(row) for row in rows]
    if not all(known):
        return Said(predicted=predicted)
    table = np.zeros((len(rows), len(labels)))
    for number, row in enumerate(known):
        for label, probability in row.items():
            table[number, place[label]] = probability
    if not np.isfinite(table).all() or table.min(initial=0) < 0 or table.max(initial=0) > 1 + 1e-6:
        raise ValueError(f"the {name}'s probabilities must be within 0..1")
    return Said(predicted=predicted, probabilities=np.clip(table, 0, 1))


def _probabilities(row: Mapping[str, Any]) -> dict[str, float]:
    """A row's probabilities, whether Arrow gave a map, a struct or nothing."""
    found = row.get("probabilities")
    items = found.items() if isinstance(found, Mapping) else found or ()
    return {label: probability for label, probability in items if probability is not None}
