"""Which labels count as truth, and which of those neither model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.lake.lake import Lake
from pressrun.lake.retraction import NOTHING, Withdrawn
from pressrun.lake.true_labels import rank_of as rank_of
from pressrun.lake.true_labels import true_labels as true_labels
from pressrun.lake.types import DatasetRef, StageResult

_ORACLE = "person:oracle"
COLUMNS = ("article_id", "title", "body", "source", "section", "language")
PROVENANCE = ("published_at_provenance", "source_provenance", "section_provenance")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """True-labeled articles, one row each, sorted by article: target, group_id, title, body, source, section, language.

    `trained_on` counts the true labels left out because a model has seen the article or a near-duplicate of it.
    """

    rows: tuple[dict[str, Any], ...]
    trained_on: int
    oracle: bool
    synthetic: bool

    @property
    def table(self) -> pa.Table:
        return pa.Table.from_pylist([{k: v for k, v in row.items() if k != "body"} for row in self.rows])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a verdict on this truth must know."""
        said = []
        if self.oracle:
            said.append("Truth comes from the marked oracle, which answers from the data's own labels.")
        if self.trained_on:
            left = f"{self.trained_on} true labels were left out"
            said.append(f"{left}: a model has seen the article or a near-duplicate.")
        return tuple(said)


def unseen(articles: Iterable[str], trained: frozenset[str], groups: Mapping[str, str]) -> frozenset[str]:
    """The articles that are neither in `trained` nor near-duplicates of one that is."""
    trained_groups = {groups.get(article, article) for article in trained}
    return frozenset(a for a in articles if a not in trained and groups.get(a, a) not in trained_groups)


def read_truth(
    lake: Lake,
    *,
    ingested: StageResult,
    sampled: StageResult,
    labeled: StageResult,
    examples: Iterable[DatasetRef],
    gone: Withdrawn = NOTHING,
) -> Truth:
    """The truth that no model trained on `examples` has seen, and of which nothing is withdrawn."""
    columns = ["article_id", "labeler", "role", "labels", "abstained", "labeled_at"]
    known = true_labels(gone.without_labels(lake.read(labeled.datasets["all_labels"], columns)).to_pylist())
    groups = _groups(lake, sampled.datasets.get("groups"))
    trained = trained_on(lake, examples)
    kept = unseen(known, trained, groups)
    articles = _articles(lake, ingested.datasets["articles"], kept)
    rows = [
        {
            **{name: article[name] for name in COLUMNS},
            "target": known[article["article_id"]]["labels"][0],
            "group_id": groups.get(article["article_id"], article["article_id"]),
        }
        for article in articles
    ]
    return Truth(
        rows=tuple(rows),
        trained_on=len(known) - len(kept),
        oracle=any(known[row["article_id"]]["labeler"] == _ORACLE for row in rows),
        synthetic=any(article[name] == "synthetic" for article in articles for name in PROVENANCE),
    )


def _groups(lake: Lake, dataset: DatasetRef | None) -> dict[str, str]:
    if dataset is None:
        return {}
    table = lake.read(dataset, ["article_id", "group_id"])
    return dict(zip(table["article_id"].to_pylist(), table["group_id"].to_pylist(), strict=True))


def trained_on(lake: Lake, examples: Iterable[DatasetRef]) -> frozenset[str]:
    """The articles of the examples."""
    found: set[str] = set()
    for dataset in examples:
        found.update(lake.read(dataset, ["article_id"])["article_id"].to_pylist())
    return frozenset(found)


def _articles(lake: Lake, dataset: DatasetRef, wanted: frozenset[str]) -> list[dict[str, Any]]:
    table = lake.read(dataset, [*COLUMNS, *PROVENANCE])
    held = table.filter(pc.is_in(table["article_id"], pa.array(sorted(wanted), pa.string())))
    return sorted({row["article_id"]: row for row in held.to_pylist()}.values(), key=lambda row: str(row["article_id"]))
