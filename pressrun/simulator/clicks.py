"""How readers click: the position-based model, with attraction as a logistic function of stated terms.

A reader looks at position k with a chance that depends on k alone, and clicks what they look at with a chance that
depends on reader, article and time alone: the examination hypothesis (Richardson, Dominowska and Ragno, WWW 2007;
Craswell et al., WSDM 2008). docs/simulator.md has it as formulas, and says what is only plausible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr, ndtri

from pressrun.simulator.chance import Reals

BASE = -2.4
FRESH, HALF_LIFE_HOURS = 1.5, 6.0
FATIGUE = 0.25
"""In log-odds for each doubling of what was written on the story before, that night."""
DWELL_LOG_MEAN, DWELL_LOG_SD = 3.2, 0.8
DWELL_TASTE, DWELL_BAIT = 0.25, -1.6
"""What a reader's taste for the topic, and bait, add to the mean of the log of the seconds."""
DWELL_RANGE = (1.0, 1800.0)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What makes an article attract a reader, in log-odds; arrays of one shape, or that broadcast to one.

    `taste_topic` and `taste_source` are the reader's, `freshness` is between 0 and 1 and not yet weighed; `appeal` and
    `pull` are the article's own, `fatigue` what its story's earlier articles take.
    """

    taste_topic: Reals
    taste_source: Reals
    freshness: Reals
    appeal: Reals
    pull: Reals
    fatigue: Reals


def attraction(terms: Terms) -> Reals:
    """The chance of a click by a reader who looks."""
    taste = terms.taste_topic + terms.taste_source
    return np.asarray(expit(BASE + taste + FRESH * terms.freshness + terms.appeal + terms.pull - terms.fatigue))


def freshness(age_hours: Reals) -> Reals:
    """1 at first, half of it every `HALF_LIFE_HOURS`."""
    return np.asarray(2.0 ** (-age_hours / HALF_LIFE_HOURS))


def fatigue(earlier: Reals) -> Reals:
    """What `earlier` articles on the same story take from one's attraction, in log-odds."""
    return np.asarray(FATIGUE * np.log2(1 + earlier))


def dwell_seconds(draws: Reals, *, taste_topic: Reals, bait: Reals) -> Reals:
    """Seconds on the article for each draw between 0 and 1: lognormal, cut to `DWELL_RANGE` (not clipped to it)."""
    mean = DWELL_LOG_MEAN + DWELL_TASTE * taste_topic + DWELL_BAIT * bait
    low, high = (ndtr((np.log(end) - mean) / DWELL_LOG_SD) for end in DWELL_RANGE)
    return np.asarray(np.exp(mean + DWELL_LOG_SD * ndtri(low + draws * (high - low))))
