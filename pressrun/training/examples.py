"""From the lake's tables to the articles a model may learn from, and what is known of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pressrun.bundle import article_text
from pressrun.config.taxonomy import Taxonomy
from pressrun.training.errors import TrainingError
from pressrun.training.learn import Flags, Labels
from pressrun.training.teacher import UNKNOWN, Reals

JUDGING_ROLES = ("audit", "gold")
MAX_UNLABELED = 20_000
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Articles to learn from, row by row, with the newest label of each (None: unlabeled). `split_by` says how."""

    articles: tuple[Row, ...]
    groups: tuple[str, ...]
    labels: tuple[Row | None, ...]
    known: Labels
    split_by: str
    set_aside: int

    @property
    def texts(self) -> list[str]:
        return [article_text(row["title"], row["body"]) for row in self.articles]


def gather(
    articles: pa.Table, groups: pa.Table, labels: pa.Table, *, taxonomy: Taxonomy, holdout: float, fill: bool
) -> Material:
    """Joins the tables. Articles that judge (audit, gold), and their near-duplicates, are left out altogether.

    `fill` keeps unlabeled articles too, for self-training. Raises TrainingError when no article is left.
    """
    group_of = {row["article_id"]: row["group_id"] for row in groups.to_pylist()}
    spoken = labels.to_pylist()
    judging = {row["article_id"] for row in spoken if row["role"] in JUDGING_ROLES}
    closed = {group_of.get(article, article) for article in judging}
    newest = newest_labels(spoken, taxonomy)
    rows = {row["article_id"]: row for row in articles.to_pylist()}
    free = [row for key, row in sorted(rows.items()) if group_of.get(key, key) not in closed]
    kept = [row for row in free if row["article_id"] in newest]
    if fill:
        kept += sorted((r for r in free if r["article_id"] not in newest), key=_shuffled)[:MAX_UNLABELED]
    if not kept:
        raise TrainingError(_nothing(len(rows), len(spoken), taxonomy))
    return _material(kept, group_of, newest, taxonomy, holdout, len(rows) - len(free))


def _nothing(articles: int, labels: int, taxonomy: Taxonomy) -> str:
    return (
        f"Nothing to train on: of {articles:,} articles and {labels:,} labels none is a training label of taxonomy "
        f"{taxonomy.name} version {taxonomy.version}. Run the label stage, or check the taxonomy's version."
    )


def newest_labels(rows: Iterable[Row], taxonomy: Taxonomy) -> dict[str, Row]:
    """The newest training label of each article in this taxonomy's version; a person's beats a machine's."""
    usable = (row for row in rows if _usable(row, taxonomy))
    ordered = sorted(usable, key=lambda row: (trusted(row["labeler"]), str(row["labeled_at"]), row["labeler"]))
    return {row["article_id"]: row for row in ordered}


def _usable(row: Row, taxonomy: Taxonomy) -> bool:
    known = [name for name in row["labels"] or () if name in taxonomy.names]
    current = row["taxonomy_version"] == taxonomy.version
    return bool(row["role"] == "train" and not row["abstained"] and current and known)


def trusted(labeler: str) -> bool:
    """Whether the label counts as a person's: a person's answer, or the label that came with the data."""
    return labeler == "given" or labeler.startswith("person:")


def _material(
    kept: Sequence[Row],
    group_of: Mapping[str, str],
    newest: Mapping[str, Row],
    taxonomy: Taxonomy,
    holdout: float,
    set_aside: int,
) -> Material:
    groups = tuple(group_of.get(row["article_id"], row["article_id"]) for row in kept)
    labels = tuple(newest.get(row["article_id"]) for row in kept)
    spoken = [label is not None for label in labels]
    by_time = all(_timed(row) for row, told in zip(kept, spoken, strict=True) if told)
    late = _late_groups(kept, groups, spoken, holdout) if by_time else _hashed_groups(groups, holdout)
    held = np.array([told and group in late for told, group in zip(spoken, groups, strict=True)], dtype=bool)
    # An unlabeled near-duplicate of a held-out article would tell its topic: it is held out as well.
    held |= np.array([group in late for group in groups], dtype=bool)
    return Material(
        articles=tuple(kept),
        groups=groups,
        labels=labels,
        known=_known(labels, taxonomy, held, _order(kept, groups, by_time=by_time)),
        split_by="time" if by_time else "group hash: not every article has a given time",
        set_aside=set_aside,
    )


def _timed(row: Row) -> bool:
    return row["published_at"] is not None and row.get("published_at_provenance") == "given"


def _late_groups(rows: Sequence[Row], groups: Sequence[str], spoken: Sequence[bool], holdout: float) -> set[str]:
    first: dict[str, Any] = {}
    for row, group, told in zip(rows, groups, spoken, strict=True):
        if told:
            first[group] = min(first.get(group, row["published_at"]), row["published_at"])
    ordered = sorted(first, key=lambda group: (first[group], group))
    return set(ordered[len(ordered) - int(holdout * len(ordered)) :])


def _hashed_groups(groups: Sequence[str], holdout: float) -> set[str]:
    return {group for group in groups if _share(group) < holdout}


def _order(rows: Sequence[Row], groups: Sequence[str], *, by_time: bool) -> Reals:
    """(n,) by which a family keeps rows for itself, the highest first: by time, else by a hash of their group."""
    if not by_time:
        return np.array([_share(f"validation {group}") for group in groups])
    first: dict[str, float] = {}
    for row, group in zip(rows, groups, strict=True):
        at = row["published_at"].timestamp() if row["published_at"] is not None else 0.0
        first[group] = min(first.get(group, at), at)
    return np.array([first[group] for group in groups])


def _share(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def _shuffled(row: Row) -> float:
    return _share(f"unlabeled {row['article_id']}")


def _known(labels: Sequence[Row | None], taxonomy: Taxonomy, held: Flags, order: Reals) -> Labels:
    people = np.full(len(labels), UNKNOWN, dtype=np.int64)
    machine = np.full((len(labels), len(taxonomy.names)), np.nan)
    for place, label in enumerate(labels):
        if label is None:
            continue
        chances = _chances(label, taxonomy)
        if trusted(label["labeler"]):
            people[place] = int(chances.argmax())
        else:
            machine[place] = chances
    return Labels(people=people, machine=machine, held_out=held, order=order)


def _chances(label: Row, taxonomy: Taxonomy) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The labeler's probabilities; with none given, nine tenths for its label."""
    given = dict(label["probabilities"] or ())
    if trusted(label["labeler"]) or not given:
        named = [name for name in taxonomy.names if name in label["labels"]]
        given = {name: 0.9 / len(named) for name in named[:1] or named}
    chances = np.array([max(float(given.get(name) or 0.0), 0.0) for name in taxonomy.names]) + 1e-3
    return np.asarray(chances / chances.sum())
