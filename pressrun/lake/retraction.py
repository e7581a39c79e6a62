"""What is withdrawn: a bad source's articles, a bad labeler's labels. Nothing is deleted; it is left out of all that is
made from then on, and what stood on it is known by another fingerprint, so that none of it is reused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.lake.errors import OvertakenError
from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef

TABLE = "retractions"
Kind = Literal["source", "labeler"]


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """Who withdrew what, from when on (None: from the first), why; or let it in again, when it is `undone`."""

    retraction_id: str
    kind: Kind
    name: str
    actor: str
    reason: str
    at: datetime
    undone: bool = False
    since: datetime | None = None

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.kind} {self.name}{since}"


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What holds now: the withdrawn articles, and the labelers, each with the time from which on."""

    retractions: tuple[Retraction, ...] = ()
    articles: frozenset[str] = frozenset()
    labelers: Mapping[str, datetime | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.retractions)

    @property
    def digest(self) -> str | None:
        """An input of every stage: another one when anything else is withdrawn, the one of before when it is undone."""
        if not self.retractions:
            return None
        plain = sorted((r.kind, r.name, str(r.since)) for r in self.retractions)
        return hashlib.sha256(repr(plain).encode()).hexdigest()

    def has_label(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of table `labels` (article_id, labeler, labeled_at) is withdrawn."""
        return row["article_id"] in self.articles or self.has_word_of(row["labeler"], row.get("labeled_at"))

    def has_word_of(self, labeler: str, at: datetime | None) -> bool:
        """Whether what the labeler said then is withdrawn; what has no time counts as late."""
        if labeler not in self.labelers:
            return False
        since = self.labelers[labeler]
        return since is None or at is None or at >= since

    def without_articles(self, rows: pa.Table, column: str = "article_id") -> pa.Table:
        """The rows about other articles; such as name none stay."""
        if not self.articles:
            return rows
        gone = pc.is_in(rows[column], value_set=pa.array(sorted(self.articles), rows[column].type))
        return rows.filter(pc.invert(pc.fill_null(gone, False)))

    def without_labels(self, rows: pa.Table) -> pa.Table:
        """The rows of table `labels` that hold."""
        if not self:
            return rows
        told = rows.select(["article_id", "labeler", "labeled_at"]).to_pylist()
        return rows.filter(pa.array([not self.has_label(row) for row in told], pa.bool_()))


NOTHING = Withdrawn()


def retractions(lake: Lake, pipeline: str) -> list[Retraction]:
    """Every word ever said, the oldest first."""
    rows = lake.read(lake.snapshot(TABLE, pipeline=pipeline)).to_pylist()
    names = Retraction.__dataclass_fields__
    return sorted((Retraction(**{name: row[name] for name in names}) for row in rows), key=lambda one: one.at)


def words(lake: Lake, pipeline: str) -> DatasetRef:
    """Every word that was said: a step that stands on it is done again when another is said before it has finished.

    To be taken before `withdrawn`, so that no word is between the two.
    """
    return lake.snapshot(TABLE, pipeline=pipeline)


def still(lake: Lake, before: DatasetRef) -> None:
    """Raises OvertakenError when something was withdrawn, or let in again, since."""
    now = words(lake, str(before.pipeline))
    if now.digest != before.digest:
        raise OvertakenError(f"{before} was all that is withdrawn when this began, and there is {now} by now")


def withdrawn(lake: Lake, pipeline: str) -> Withdrawn:
    """What holds of the pipeline's articles and labels at this moment."""
    newest = {(one.kind, one.name): one for one in retractions(lake, pipeline)}
    return of(lake, pipeline, [one for one in newest.values() if not one.undone])


def of(lake: Lake, pipeline: str, holding: Iterable[Retraction]) -> Withdrawn:
    """What these retractions withdraw."""
    held = tuple(sorted(holding, key=lambda one: (one.kind, one.name)))
    sources = {one.name: one.since for one in held if one.kind == "source"}
    return Withdrawn(
        retractions=held,
        articles=_articles(lake, pipeline, sources) if sources else frozenset(),
        labelers={one.name: one.since for one in held if one.kind == "labeler"},
    )


def withdrawn_examples(lake: Lake, gone: Withdrawn, examples: DatasetRef, labels: DatasetRef | None) -> int:
    """How many training examples, which were made from `labels`, are withdrawn. Raises DatasetGoneError."""
    if not gone:
        return 0
    rows = lake.read(examples, ["article_id", "labeler"]).to_pylist()
    said = _said(lake, labels) if labels and gone.labelers else {}
    return sum(
        row["article_id"] in gone.articles
        or gone.has_word_of(row["labeler"], said.get((row["article_id"], row["labeler"])))
        for row in rows
    )


def _said(lake: Lake, labels: DatasetRef) -> dict[tuple[str, str], datetime | None]:
    rows = lake.read(labels, ["article_id", "labeler", "labeled_at"]).to_pylist()
    return {(row["article_id"], row["labeler"]): row["labeled_at"] for row in rows}


def keep_retraction(lake: Lake, pipeline: str, one: Retraction, affected: str) -> Retraction:
    """Commits it unless the very same holds already; returns what holds."""
    while True:
        said = [r for r in retractions(lake, pipeline) if (r.kind, r.name) == (one.kind, one.name)]
        if said and (said[-1].undone, said[-1].since) == (one.undone, one.since):
            return said[-1]
        row = {name: getattr(one, name) for name in Retraction.__dataclass_fields__} | {"affected": affected}
        source = f"retraction/{pipeline}/{one.kind}/{one.name}"
        # Of two at once one takes the number; the other looks again at what holds by then.
        lake.append(TABLE, rows_of(TABLE, [row]), pipeline=pipeline, source=source, sequence=len(said))


def _articles(lake: Lake, pipeline: str, sources: Mapping[str, datetime | None]) -> frozenset[str]:
    """By when they were published; without such a time, by when they came in."""
    wanted = pc.field("source").isin(list(sources))
    columns = ["article_id", "source", "published_at", "written_at"]
    rows = lake.read(lake.snapshot("articles", pipeline=pipeline), columns, where=wanted).to_pylist()
    return frozenset(
        row["article_id"]
        for row in rows
        if (since := sources[row["source"]]) is None or (row["published_at"] or row["written_at"]) >= since
    )
