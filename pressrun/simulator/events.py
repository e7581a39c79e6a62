"""What can happen in a made-up newsroom. Nights count from 1; days are UTC's; shares are between 0 and 1."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate

_YEAR = 365.25
_ONE_WEEK = (1.0,) * 7


@dataclass(frozen=True, kw_only=True)
class Season:
    """From `first` to `last` (month and day, both within), `topic` has `factor` times its weight.

    With `beat`, half of the topic's stories are on that beat meanwhile.
    """

    topic: str
    first: tuple[int, int]
    last: tuple[int, int]
    factor: float
    beat: str | None = None

    def on(self, day: date) -> bool:
        today = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= today <= self.last
        return today >= self.first or today <= self.last


@dataclass(frozen=True, kw_only=True)
class Wave:
    """A topic's weight over the year: 1 + `height` × cos(2π(day − `peak`) / 365.25), days from January 1."""

    height: float
    peak: int

    def factor(self, day: date) -> float:
        return 1 + self.height * math.cos(2 * math.pi * (day.timetuple().tm_yday - 1 - self.peak) / _YEAR)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """How the topics' weights change over weeks and years. `weekdays` are factors by topic, Monday first."""

    weekdays: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    waves: Mapping[str, Wave] = field(default_factory=dict)
    seasons: tuple[Season, ...] = ()

    def mix(self, usual: Mapping[str, float], day: date) -> Mapping[str, float]:
        """The day's weights by topic; the usual ones themselves where nothing changes them."""
        if not (self.weekdays or self.waves or self.seasons):
            return usual
        return {topic: weight * self._factor(topic, day) for topic, weight in usual.items()}

    def beat(self, topic: str, day: date) -> str | None:
        """The beat that half of the topic's stories are on."""
        return next((s.beat for s in self.seasons if s.topic == topic and s.beat and s.on(day)), None)

    def _factor(self, topic: str, day: date) -> float:
        wave = self.waves.get(topic)
        factor = self.weekdays.get(topic, _ONE_WEEK)[day.weekday()] * (wave.factor(day) if wave else 1.0)
        return factor * math.prod(s.factor for s in self.seasons if s.topic == topic and s.on(day))


@dataclass(frozen=True, kw_only=True)
class Volume:
    """How much there is by weekday (Monday first) and by hour of the day; without `hours` every minute is alike."""

    weekdays: tuple[float, ...] = _ONE_WEEK
    hours: tuple[float, ...] = ()

    def of(self, usual: float, day: date) -> int:
        """How many of `usual` a day the given day has."""
        return round(usual * self.weekdays[day.weekday()])

    def moment(self, draw: float) -> float:
        """A moment of the day, as a share of it, for a draw between 0 and 1."""
        if not self.hours:
            return draw
        ends = (0.0, *accumulate(self.hours))
        wanted = draw * ends[-1]
        hour = min(bisect_right(ends, wanted) - 1, len(self.hours) - 1)
        return (hour + (wanted - ends[hour]) / self.hours[hour]) / len(self.hours)


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """A story that nobody foresaw: at its start it is `share` of what is written, and half that each `half_life_hours`.

    It begins `hour` hours into `night` and is over when its share is below a hundredth. `beat` is one of the
    vocabulary's breaking beats; `pull` is how much more readers want it, in log-odds of attraction.
    """

    name: str
    night: int
    beat: str
    share: float
    half_life_hours: float
    hour: float = 9.0
    pull: float = 1.8

    def share_at(self, night: int, moment: float) -> float:
        """Its share of what is written at `moment` (a share of the day) of `night`."""
        hours = (night - self.night + moment) * 24 - self.hour
        share = self.share * 2.0 ** (-hours / self.half_life_hours) if hours >= 0 else 0.0
        return share if share >= 0.01 else 0.0

    def touches(self, night: int) -> bool:
        return night >= self.night and max(self.share_at(night, 0.0), self.share_at(night, self.hour / 24)) > 0


@dataclass(frozen=True, kw_only=True)
class Redesign:
    """From `night` on, sections have other names and a page shows `examination` (a chance a position, top first)."""

    night: int
    sections: Mapping[str, str]
    examination: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class BotWave:
    """From night `first` to `last`, programs see `share` more pages than people do, each of them `pages`.

    They come around the clock, click anything at any position with the same chance, `click`, and stay a second or two.
    """

    first: int
    last: int
    share: float = 0.3
    pages: int = 60
    click: float = 0.5

    def on(self, night: int) -> bool:
        return self.first <= night <= self.last

    def slates(self, people: int) -> int:
        """How many pages programs see where people see `people`."""
        return round(self.share * people)

    def readers(self, people: int) -> int:
        return max(1, round(self.slates(people) / self.pages))


@dataclass(frozen=True, kw_only=True)
class BadSource:
    """From `night` on, shares of a source's articles are in a wrong section, copied from others, or have bait titles.

    `pull` is how much more readers click bait, in log-odds of attraction.
    """

    source: str
    night: int
    wrong_section: float = 0.25
    copied: float = 0.25
    clickbait: float = 0.3
    pull: float = 1.2


@dataclass(frozen=True, kw_only=True)
class Feed:
    """How articles reach Pressrun: on nights of `outages` none does, and a share of each night's comes `late`.

    What does not come comes with the next night's file, so that two outages cannot follow each other. Readers see it
    all in time: what fails is the feed, not the site.
    """

    outages: tuple[int, ...] = ()
    late: float = 0.0

    def __post_init__(self) -> None:
        if follows := sorted({night + 1 for night in self.outages} & set(self.outages)):
            raise ValueError(f"an outage on night {follows[0]} follows another: leave a night between outages")
