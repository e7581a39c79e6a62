"""What readers are shown and what they click, an hour at a time, with the chances that it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pressrun.simulator.chance import Reals, Whole, pick, uniform
from pressrun.simulator.clicks import Terms, attraction, dwell_seconds, freshness
from pressrun.simulator.events import BotWave
from pressrun.simulator.newsroom import Newsroom
from pressrun.simulator.pages import Page, Shelf, pages_of
from pressrun.simulator.policy import POLICIES, draw, given_above
from pressrun.simulator.population import Readers

Flags = NDArray[np.bool_]
# Slates have room for so many positions in the numbering of draws.
_POSITIONS = 64
_BOT_DWELL = (0.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class Slates:
    """Pages seen by readers, in the order of time: `number`, place in `Readers`, `hour` since the newsroom's start."""

    number: Whole
    reader: Whole
    hour: Reals

    def __getitem__(self, some: slice) -> Slates:
        return Slates(number=self.number[some], reader=self.reader[some], hour=self.hour[some])


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The s slates of one hour, k articles each, and the truth about them.

    `treated` and `bot` are (s,), `chance` (policies, s, k), all else (s, k); `article` is a place on the shelf.
    `above` is an article's chance to follow those that stand above it, under the policy that chose.
    """

    page: Page
    slates: Slates
    treated: Flags
    bot: Flags
    article: Whole
    chance: Reals
    above: Reals
    terms: Terms
    examine: Reals
    attract: Reals
    clicked: Flags
    dwell: Reals

    @property
    def propensity(self) -> Reals:
        """(s, k) chances under the policy that chose."""
        return np.asarray(np.where(self.treated[:, None], self.chance[1], self.chance[0]))


def shown_of(newsroom: Newsroom, night: int, shelf: Shelf, readers: Readers) -> Iterator[Shown]:
    """What `readers` are shown on the day of `night`; `shelf` holds that day's articles and those of the day before."""
    slates = _slates(newsroom, night, readers)
    midnight = 24 * (night - 1)
    size = len(newsroom.world.examined(night))
    for page in pages_of(shelf, range(midnight, midnight + 24), size=size):
        first, end = np.searchsorted(slates.hour, (page.hour, page.hour + 1)).tolist()
        if first < end:
            yield _shown(newsroom, night, shelf, readers, page, slates[first:end])


def terms_of(shelf: Shelf, readers: Readers, slates: Slates, article: Whole) -> Terms:
    """The terms of attraction of (s, k) articles on the shelf, to the readers of s slates at their times."""
    reader = slates.reader[:, None]
    return Terms(
        taste_topic=readers.topics[reader, shelf.topic[article]],
        taste_source=readers.sources[reader, shelf.source[article]],
        freshness=freshness(slates.hour[:, None] - shelf.published[article]),
        appeal=shelf.appeal[article],
        pull=shelf.pull[article],
        fatigue=shelf.fatigue[article],
    )


def _slates(newsroom: Newsroom, night: int, readers: Readers) -> Slates:
    world, people = newsroom.world, newsroom.slates(night)
    programs = world.bots.slates(people) if world.bots and world.bots.on(night) else 0
    seed, numbers = f"{newsroom.seed}/slate/{night}", np.arange(people + programs)
    when, who = uniform(f"{seed}/when", numbers), uniform(f"{seed}/who", numbers)
    moments = np.array([world.visits.moment(u) for u in when[:people].tolist()] + when[people:].tolist())
    chosen = [pick(readers.activity * ~readers.bot, who[:people])]
    if programs:
        chosen.append(pick(readers.bot.astype(float), who[people:]))
    order = np.argsort(moments, kind="stable")
    return Slates(number=numbers, reader=np.concatenate(chosen)[order], hour=24 * (night - 1 + moments[order]))


def _shown(newsroom: Newsroom, night: int, shelf: Shelf, readers: Readers, page: Page, slates: Slates) -> Shown:
    treated, bot = readers.treated[slates.reader], readers.bot[slates.reader]
    level, above = _filled(f"{newsroom.seed}/page/{night}/{page.hour}", page, slates, treated)
    article = level + page.first
    terms = terms_of(shelf, readers, slates, article)
    examine = np.broadcast_to(newsroom.world.examined(night)[: page.size], article.shape)
    examine, attract = _of_bots(examine, attraction(terms), bot, newsroom.world.bots)
    draws = slates.number[:, None] * _POSITIONS + np.arange(page.size)
    clicked = uniform(f"{newsroom.seed}/click/{night}", draws) < examine * attract
    stay = uniform(f"{newsroom.seed}/dwell/{night}", draws)
    return Shown(
        page=page,
        slates=slates,
        treated=treated,
        bot=bot,
        article=article,
        chance=_chances(page, level),
        above=above,
        terms=terms,
        examine=examine,
        attract=attract,
        clicked=clicked,
        dwell=_dwell(stay, terms, shelf.bait[article], bot),
    )


def _filled(key: str, page: Page, slates: Slates, treated: Flags) -> tuple[Whole, Reals]:
    """(s, k) articles of the page, by the policy of each reader's arm, and the chance of each given those above."""
    article = np.empty((len(treated), page.size), dtype=np.int64)
    above = np.empty(article.shape)
    for arm, level in enumerate(page.level):
        ours, weight = treated == bool(arm), page.weight[arm][level]
        article[ours] = draw(weight, slates.number[ours], size=page.size, key=f"{key}/{POLICIES[arm].arm}")
        above[ours] = given_above(weight[article[ours]])
    return article, above


def _chances(page: Page, article: Whole) -> Reals:
    """(policies, s, k) chances of each article to stand where it stands."""
    positions = np.arange(page.size)
    return np.stack([page.chance[arm][level[article], positions] for arm, level in enumerate(page.level)])


def _of_bots(examine: Reals, attract: Reals, bot: Flags, wave: BotWave | None) -> tuple[Reals, Reals]:
    """Programs look everywhere and like everything alike."""
    if wave is None:
        return examine, attract
    return np.where(bot[:, None], 1.0, examine), np.where(bot[:, None], wave.click, attract)


def _dwell(draws: Reals, terms: Terms, bait: Reals, bot: Flags) -> Reals:
    least, most = _BOT_DWELL
    people = dwell_seconds(draws, taste_topic=terms.taste_topic, bait=bait)
    return np.asarray(np.where(bot[:, None], least + draws * (most - least), people))
