"""Readers who come, stay away for a week, come back and leave; each with a taste that drifts slowly.

A reader is a number. Who reads on a night, and what they like then, is a function of seed, reader and night.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pressrun.simulator.chance import Reals, Whole, bits, normal, uniform
from pressrun.simulator.newsroom import Newsroom
from pressrun.simulator.words import TOPICS, common

STAY = 60.0
"""Nights from a reader's first to the last, on average (exponential, cut at `LONGEST`)."""
LONGEST = 400
AWAY = 0.25
"""A reader's chance to skip a given week."""
TREATED = 0.5
"""The share of readers in the experiment's treatment."""
_COHORT = 1 << 24
# Taste in log-odds: how far readers differ by topic and by source, and how far one drifts to and fro.
_TOPIC, _SOURCE, _DRIFT = 0.9, 0.35, 0.45


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Those who may read on one night: n readers, and bots after them.

    `number` and `first` (the night they came) are (n,); `topics` (n, topics) and `sources` (n, sources) are tastes in
    log-odds; `activity` (n,) is how often they come, relative to each other.
    """

    number: Whole
    first: Whole
    topics: Reals
    sources: Reals
    activity: Reals
    treated: np.ndarray[tuple[int], np.dtype[np.bool_]]
    bot: np.ndarray[tuple[int], np.dtype[np.bool_]]


def readers_on(newsroom: Newsroom, night: int) -> Readers:
    """All who may read on `night`, whoever was there before."""
    number, first = _people(newsroom, night)
    wave = newsroom.world.bots
    programs = wave.readers(newsroom.slates(night)) if wave and wave.on(night) else 0
    number = np.concatenate([number, _programs(programs)])
    seed = f"{newsroom.seed}/reader"
    return Readers(
        number=number,
        first=np.concatenate([first, np.full(programs, wave.first if wave else 0)]),
        topics=_taste(f"{seed}/topic", number, len(TOPICS), _TOPIC, night),
        sources=_taste(f"{seed}/source", number, len(common().sources), _SOURCE, night),
        activity=np.exp(normal(f"{seed}/activity", number)),
        treated=uniform(f"{seed}/arm", number) < TREATED,
        bot=np.arange(len(number)) >= len(number) - programs,
    )


def names(newsroom: Newsroom, numbers: Whole) -> list[str]:
    """Raw names, as a site's log has them; nothing in a name tells who came when, or who is a bot."""
    return [f"reader-{code:016x}" for code in bits(f"{newsroom.seed}/reader/name", numbers).tolist()]


def _people(newsroom: Newsroom, night: int) -> tuple[Whole, Whole]:
    """Numbers and first nights of those who have come, have not left, and do not skip this week."""
    a_night = max(1, round(newsroom.readers / (STAY * (1 - AWAY))))
    first = np.repeat(np.arange(night - LONGEST + 1, night + 1), a_night)
    number = (first + LONGEST) * _COHORT + np.tile(np.arange(a_night), LONGEST)
    seed = f"{newsroom.seed}/reader"
    stay = 1 + np.floor(-STAY * np.log(uniform(f"{seed}/stay", number)))
    # Weeks begin on another night for each reader, so that they do not all come back at once.
    week = (night + number % 7) // 7
    away = uniform(f"{seed}/away", number * 512 + week % 512) < AWAY
    here = (night - first < stay) & (~away | (first == night))
    return number[here], first[here]


def _programs(count: int) -> Whole:
    # Numbers that no cohort has.
    return _COHORT // 2 + np.arange(count, dtype=np.int64)


def _taste(key: str, number: Whole, size: int, spread: float, night: int) -> Reals:
    """Normal by reader and entry, with a slow swing: one period lasts 120 to 400 nights, from a phase of its own."""
    each = number[:, None] * 64 + np.arange(size)
    period = 120 + 280 * uniform(f"{key}/period", each)
    swing = np.sin(2 * np.pi * (night / period + uniform(f"{key}/phase", each)))
    return spread * (normal(key, each) + _DRIFT * swing)
