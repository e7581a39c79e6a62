"""What may be on the site's page at an hour, and each article's exact chance to stand at each of its positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pressrun.simulator.chance import Reals, Whole, normal
from pressrun.simulator.clicks import fatigue, freshness
from pressrun.simulator.newsroom import Newsroom, Written
from pressrun.simulator.policy import POLICIES, STEP, chances
from pressrun.simulator.spoiling import CLICKBAIT
from pressrun.simulator.words import TOPICS, common

SHELF_HOURS = 24.0
"""An article leaves the page when it is that old."""
_APPEAL, _GUESS, _STARS = 0.6, 0.6, 1.5


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Articles in the order they were published, as columns of n.

    `published` is in hours since the newsroom's start, `topic` and `source` are places in TOPICS and in the sources'
    list; `expected` is the appeal that editors guess, in half stars; `bait` is 1 for a bait title. Log-odds: `appeal`,
    `pull`, `fatigue`.
    """

    url: Sequence[str]
    published: Reals
    topic: Whole
    source: Whole
    appeal: Reals
    expected: Reals
    pull: Reals
    fatigue: Reals
    bait: Reals

    def __add__(self, other: Shelf) -> Shelf:
        parts = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("published", "topic", "source", "appeal", "expected", "pull", "fatigue", "bait")
        }
        return Shelf(url=[*self.url, *other.url], **parts)


@dataclass(frozen=True, kw_only=True)
class Page:
    """At `hour`, articles `first` to before `end` of a shelf may be shown.

    `level` (policies, articles) is where each stands in `weight` (policies, levels), the chances to be taken for the
    top, and in `chance` (policies, levels, size).
    """

    hour: int
    first: int
    end: int
    level: Whole
    weight: Reals
    chance: Reals

    @property
    def size(self) -> int:
        return min(int(self.chance.shape[-1]), self.end - self.first)


def shelf_of(newsroom: Newsroom, night: int, written: Sequence[Written]) -> Shelf:
    """The night's articles as readers and policies see them."""
    articles, numbers = [one.article for one in written], np.arange(len(written))
    topics, sources = {t: i for i, t in enumerate(TOPICS)}, {s: i for i, s in enumerate(common().sources)}
    appeal = _APPEAL * normal(f"{newsroom.seed}/appeal/{night}", numbers)
    guess = appeal + _GUESS * normal(f"{newsroom.seed}/guess/{night}", numbers)
    pulls = _pulls(newsroom)
    return Shelf(
        url=[article.url for article in articles],
        published=np.array([(a.published_at - newsroom.start).total_seconds() / 3600 for a in articles], dtype=float),
        topic=np.array([topics[article.label] for article in articles], dtype=np.int64),
        source=np.array([sources[article.source] for article in articles], dtype=np.int64),
        appeal=appeal,
        expected=np.clip(np.round(2 * guess) / 2, -_STARS, _STARS),
        pull=np.array([pulls.get(one.event, 0.0) for one in written]),
        fatigue=fatigue(_earlier([article.story for article in articles])),
        bait=np.array([float(one.event == CLICKBAIT) for one in written]),
    )


def pages_of(shelf: Shelf, hours: Sequence[int], *, size: int) -> list[Page]:
    """The page of each hour (since the newsroom's start): of what was published before it, in `SHELF_HOURS`."""
    bounds = [np.searchsorted(shelf.published, (hour - SHELF_HOURS, hour)).tolist() for hour in hours]
    found = [(hour, first, end) for hour, (first, end) in zip(hours, bounds, strict=True) if first < end]
    levels = [_levels(shelf, hour, first, end) for hour, first, end in found]
    if not found:
        return []
    most = max(int(level.max()) + 1 for level, _ in levels)
    counts = np.array([[np.bincount(row, minlength=most) for row in level] for level, _ in levels])
    weights = np.array([_weights(count, lowest) for count, (_, lowest) in zip(counts, levels, strict=True)])
    chance = chances(weights.reshape(-1, most), counts.reshape(-1, most), size=size)
    return [
        Page(hour=hour, first=first, end=end, level=level, weight=weight, chance=each)
        for (hour, first, end), (level, _), weight, each in zip(
            found, levels, weights, chance.reshape(*weights.shape, size), strict=True
        )
    ]


def _levels(shelf: Shelf, hour: int, first: int, end: int) -> tuple[Whole, Reals]:
    """(policies, articles) levels of the scores, and the (policies,) scores of level 0."""
    fresh = freshness(hour - shelf.published[first:end])
    scores = np.array([policy.scores(expected=shelf.expected[first:end], fresh=fresh) for policy in POLICIES])
    lowest = scores.min(axis=1)
    return np.rint((scores - lowest[:, None]) / STEP).astype(np.int64), lowest


def _weights(count: Whole, lowest: Reals) -> Reals:
    """(policies, levels) weights where `count` articles have each level."""
    scores = lowest[:, None] + STEP * np.arange(count.shape[1])
    return np.array([p.weights(s, c) for p, s, c in zip(POLICIES, scores, count, strict=True)])


def _pulls(newsroom: Newsroom) -> dict[str, float]:
    world = newsroom.world
    bait = {CLICKBAIT: world.bad_source.pull} if world.bad_source else {}
    return bait | {f"breaking-{event.name}": event.pull for event in world.breaking}


def _earlier(stories: Sequence[str]) -> Reals:
    """For each article, how many on its story were written before it, that night."""
    counts: dict[str, int] = {}
    earlier = np.empty(len(stories))
    for place, story in enumerate(stories):
        earlier[place] = counts.get(story, 0)
        counts[story] = counts.get(story, 0) + 1
    return earlier
