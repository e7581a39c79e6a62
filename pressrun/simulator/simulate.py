"""Writes a simulated newsroom to files: a JSONL of articles and a Parquet of impressions a night."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pressrun.simulator.newsroom import Newsroom, SimulatedArticle, articles_of
from pressrun.simulator.readers import SimulatedImpression, impressions_of


@dataclass(frozen=True, kw_only=True)
class SimulatedNight:
    """The files of one night."""

    night: int
    articles: Path
    impressions: Path


def simulate(newsroom: Newsroom, *, out: Path) -> tuple[SimulatedNight, ...]:
    """Writes every night below `out`: night-001.jsonl, ... and interactions/night-001.parquet, ...

    The same newsroom gives the same bytes of articles. Every row has `synthetic: true`.
    """
    return tuple(write_night(newsroom, night, out=out) for night in range(1, newsroom.nights + 1))


def write_night(newsroom: Newsroom, night: int, *, out: Path) -> SimulatedNight:
    """Writes one night's files; a night can be written without the ones before it."""
    articles = list(articles_of(newsroom, night))
    paths = SimulatedNight(
        night=night,
        articles=out / f"night-{night:03d}.jsonl",
        impressions=out / "interactions" / f"night-{night:03d}.parquet",
    )
    paths.impressions.parent.mkdir(parents=True, exist_ok=True)
    _write_articles(paths.articles, articles)
    _write_impressions(paths.impressions, impressions_of(newsroom, night, articles))
    return paths


def _write_articles(path: Path, articles: Sequence[SimulatedArticle]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for article in articles:
            row = asdict(article) | {"published_at": article.published_at.isoformat()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    # A landing folder may be read at any moment: files appear whole.
    unfinished.replace(path)


def _write_impressions(path: Path, impressions: Iterable[SimulatedImpression]) -> None:
    pq.write_table(pa.Table.from_pylist([asdict(impression) for impression in impressions]), path)
