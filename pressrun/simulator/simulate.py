"""Writes a simulated newsroom to files: a night's articles (JSONL), what readers saw of them, and the truth, apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pressrun.simulator.chance import uniform
from pressrun.simulator.files import Rows
from pressrun.simulator.newsroom import Newsroom, SimulatedArticle, Written
from pressrun.simulator.pages import Shelf, shelf_of
from pressrun.simulator.population import readers_on
from pressrun.simulator.readers import shown_of
from pressrun.simulator.rows import (
    ARTICLE,
    IMPRESSION,
    SLATE,
    TRUTH,
    article_truth,
    impressions,
    slate_truth,
    truth_of,
)
from pressrun.simulator.writing import written_of


@dataclass(frozen=True, kw_only=True)
class SimulatedNight:
    """The files of one night: `delivered` articles are in the first, which is not there when the feed was down.

    There is no truth unless it was asked for.
    """

    night: int
    delivered: int
    articles: Path
    impressions: Path
    truth: Path | None = None


@dataclass(frozen=True, kw_only=True)
class _Day:
    """A night's articles, as written and as columns."""

    written: Sequence[Written]
    shelf: Shelf


def simulate(newsroom: Newsroom, *, out: Path, truth: Path | None = None) -> tuple[SimulatedNight, ...]:
    """Writes every night below `out`: night-001.jsonl, ... and interactions/night-001.parquet, ...

    The same newsroom gives the same bytes of articles. Every row has `synthetic: true`. The truth goes to `truth`, for
    whoever judges: see `write_night`.
    """
    return tuple(nights_of(newsroom, out=out, truth=truth))


def nights_of(newsroom: Newsroom, *, out: Path, truth: Path | None = None) -> Iterator[SimulatedNight]:
    """`simulate`, a night at a time."""
    before = None
    for night in range(1, newsroom.nights + 1):
        day = _day(newsroom, night)
        yield _write(newsroom, night, day, before, out=out, truth=truth)
        before = day


def write_night(newsroom: Newsroom, night: int, *, out: Path, truth: Path | None = None) -> SimulatedNight:
    """Writes one night's files; a night can be written without the ones before it.

    Below `truth`, which must not be below `out`: night-001.parquet with a row an impression, slates/ and articles/.
    Raises ValueError where it is.
    """
    before = _day(newsroom, night - 1) if night > 1 else None
    return _write(newsroom, night, _day(newsroom, night), before, out=out, truth=truth)


def _day(newsroom: Newsroom, night: int) -> _Day:
    written = list(written_of(newsroom, night))
    return _Day(written=written, shelf=shelf_of(newsroom, night, written))


def _write(
    newsroom: Newsroom, night: int, day: _Day, before: _Day | None, *, out: Path, truth: Path | None
) -> SimulatedNight:
    name = f"night-{night:03d}"
    _check_apart(out, truth)
    articles = _delivered(newsroom, night, day, before)
    paths = SimulatedNight(
        night=night,
        delivered=len(articles),
        articles=out / f"{name}.jsonl",
        impressions=out / "interactions" / f"{name}.parquet",
        truth=truth / f"{name}.parquet" if truth else None,
    )
    paths.impressions.parent.mkdir(parents=True, exist_ok=True)
    if night not in newsroom.world.feed.outages:
        _write_articles(paths.articles, articles)
    _write_readers(newsroom, night, before.shelf + day.shelf if before else day.shelf, paths)
    if truth:
        with Rows(truth / "articles" / f"{name}.parquet", ARTICLE) as rows:
            rows.add(article_truth(day.written, day.shelf))
    return paths


def _check_apart(out: Path, truth: Path | None) -> None:
    if truth and truth.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"the truth would go to {truth}, below {out}, where Pressrun reads: choose a folder elsewhere")


def _delivered(newsroom: Newsroom, night: int, day: _Day, before: _Day | None) -> list[SimulatedArticle]:
    """What the feed brings in that night: first what it owes from the night before."""
    feed = newsroom.world.feed
    if not feed.outages and not feed.late:
        return [one.article for one in day.written]
    owed = [a for a, late in _late(newsroom, night - 1, before) if late] if before else []
    return owed + [article for article, late in _late(newsroom, night, day) if not late]


def _late(newsroom: Newsroom, night: int, day: _Day) -> Iterator[tuple[SimulatedArticle, bool]]:
    feed = newsroom.world.feed
    # What comes a night late must find a feed then.
    late = 1.0 if night in feed.outages else 0.0 if night + 1 in feed.outages else feed.late
    draws = uniform(f"{newsroom.seed}/late/{night}", np.arange(len(day.written)))
    for one, draw in zip(day.written, draws.tolist(), strict=True):
        yield one.article, draw < late


def _write_articles(path: Path, articles: Sequence[SimulatedArticle]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for article in articles:
            row = vars(article) | {"published_at": article.published_at.isoformat()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    # A landing folder may be read at any moment: files appear whole.
    unfinished.replace(path)


def _write_readers(newsroom: Newsroom, night: int, shelf: Shelf, paths: SimulatedNight) -> None:
    readers = readers_on(newsroom, night)
    with ExitStack() as files:
        seen, truth = files.enter_context(Rows(paths.impressions, IMPRESSION)), paths.truth
        told = files.enter_context(Rows(truth, TRUTH)) if truth else None
        slates = files.enter_context(Rows(truth.parent / "slates" / truth.name, SLATE)) if truth else None
        for shown in shown_of(newsroom, night, shelf, readers):
            seen.add(impressions(newsroom, night, shown, shelf, readers))
            if told and slates:
                told.add(truth_of(night, shown))
                slates.add(slate_truth(newsroom, night, shown, shelf, readers))
