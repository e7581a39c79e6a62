"""Which rows of table `labels` count as truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_PERSON = "person:"


def rank_of(label: Mapping[str, Any]) -> int:
    """How much a label counts as truth: gold 3, a person's blind audit 2, given 1, anything else 0."""
    if label["abstained"] or len(label["labels"] or ()) != 1:
        return 0
    if label["role"] == "gold":
        return 3
    if label["role"] == "audit" and str(label["labeler"]).startswith(_PERSON):
        return 2
    return 1 if label["labeler"] == "given" else 0


def true_labels(labels: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The best true label of each article; of equals the newest."""
    best: dict[str, Mapping[str, Any]] = {}
    for label in sorted(labels, key=lambda row: (rank_of(row), str(row["labeled_at"] or ""))):
        if rank_of(label):
            best[str(label["article_id"])] = label
    return best
