"""Readers and what they are shown: slates with positions, propensities, clicks and dwell times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from pressrun.simulator.newsroom import Newsroom, SimulatedArticle
from pressrun.simulator.words import TOPICS

SLATE = 5
_SEEN_BY_POSITION = (0.9, 0.7, 0.5, 0.35, 0.25)


@dataclass(frozen=True, kw_only=True)
class SimulatedImpression:
    """One article shown to one reader at `position` (0 is the top); `propensity` is its chance of being picked.

    `reader_id` is the reader's raw name: ingest turns it into a pseudonym.
    """

    impression_id: str
    slate_id: str
    reader_id: str
    shown_at: datetime
    url: str
    position: int
    propensity: float
    clicked: bool
    dwell_seconds: float | None
    synthetic: bool = True


def impressions_of(
    newsroom: Newsroom, night: int, articles: Sequence[SimulatedArticle], *, readers: int = 200, slates: int = 400
) -> Iterator[SimulatedImpression]:
    """What readers were shown of the night's articles, picked uniformly, and what they clicked."""
    random = Random(f"{newsroom.seed}/readers/{night}")
    size = min(SLATE, len(articles))
    for number in range(slates):
        reader = f"reader-{random.randrange(readers):05d}"
        shown_at = newsroom.start + timedelta(days=night, seconds=random.randrange(86_400))
        slate = f"n{night}-{number:06d}"
        for position, article in enumerate(random.sample(list(articles), size)):
            yield _shown(newsroom, reader, slate, shown_at, position, article, size / len(articles), random)


def _shown(
    newsroom: Newsroom,
    reader: str,
    slate: str,
    shown_at: datetime,
    position: int,
    article: SimulatedArticle,
    propensity: float,
    random: Random,
) -> SimulatedImpression:
    clicked = random.random() < _SEEN_BY_POSITION[position] * _liking(newsroom, reader, article.label)
    return SimulatedImpression(
        impression_id=f"{slate}-{position}",
        slate_id=slate,
        reader_id=reader,
        shown_at=shown_at,
        url=article.url,
        position=position,
        propensity=propensity,
        clicked=clicked,
        dwell_seconds=round(random.lognormvariate(3.2, 0.8), 1) if clicked else None,
    )


def _liking(newsroom: Newsroom, reader: str, topic: str) -> float:
    favourite = Random(f"{newsroom.seed}/{reader}").choice(TOPICS)
    return 0.6 if topic == favourite else 0.12
