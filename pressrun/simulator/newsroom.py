"""A made-up newsroom: what there is to set, and what an article is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from pressrun.simulator.words import TOPICS
from pressrun.simulator.worlds import STEADY, World

EVEN_MIX: Mapping[str, float] = {topic: 1 / len(TOPICS) for topic in TOPICS}


@dataclass(frozen=True, kw_only=True)
class Shift:
    """From `night` (1 is the first) on, topics come by `mix`, and this share of articles is on unheard-of stories."""

    night: int
    mix: Mapping[str, float] = field(default_factory=lambda: {"World": 3, "Sports": 1, "Business": 1, "Sci/Tech": 1})
    emerging: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Newsroom:
    """What to simulate. `mix` and a shift's mix are weights by topic; shares are between 0 and 1.

    About `readers` read on any night, and each article is seen `impressions_per_article` times on average.
    """

    seed: int = 7
    nights: int = 3
    articles_per_night: int = 2000
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    mix: Mapping[str, float] = field(default_factory=lambda: dict(EVEN_MIX))
    shift: Shift | None = None
    rewrites: float = 0.06
    ambiguous: float = 0.3
    articles_per_story: float = 4.0
    world: World = STEADY
    readers: int = 2000
    impressions_per_article: float = 10.0

    def day(self, night: int) -> date:
        """The day on which the articles of `night` are published, and read."""
        return (self.start + timedelta(days=night - 1)).date()

    def slates(self, night: int) -> int:
        """How many pages people see that day."""
        usual = self.impressions_per_article * self.articles_per_night / len(self.world.examined(night))
        return self.world.visits.of(usual, self.day(night))


@dataclass(frozen=True, kw_only=True)
class SimulatedArticle:
    """One made-up article; `label` is its true topic, `story` what it is about."""

    url: str
    published_at: datetime
    source: str
    section: str
    title: str
    body: str
    language: str
    label: str
    story: str
    synthetic: bool = True


@dataclass(frozen=True, kw_only=True)
class Written:
    """An article, and what is true of it that nobody is told: its `event`, empty where nothing happened to it."""

    article: SimulatedArticle
    event: str = ""


def moved(article: SimulatedArticle, section: str) -> SimulatedArticle:
    """The article in another section; its address names the section, too."""
    url = article.url.replace(f"/{article.section}/", f"/{section}/", 1)
    return replace(article, section=section, url=url)
