"""Who decides what is on the page: two policies, and each article's exact chance to stand at a position.

A page is filled from the top. Each position takes one of the articles not yet on the page, with a chance in proportion
to its weight: the Plackett-Luce model (Luce 1959; Plackett 1975). Weights are a softmax of scores, mixed with an even
share for exploration, so that every article may stand anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pressrun.simulator.chance import Reals, Whole, pick, uniform

STEP = 0.2
"""Scores are rounded to it: articles then share few levels, which is what makes exact chances cheap."""
# Of the integral over log t: how many nodes, where it begins; and when a page is surely full: after this many arrivals,
# or where there are fewer, when the slowest has come.
_NODES, _EARLIEST, _FULL, _SURELY = 112, -21.0, 60.0, 36.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`popularity` weighs what editors expect of an article, `freshness` how new it is; `exploration` is a share."""

    version: str
    arm: str
    popularity: float
    freshness: float
    exploration: float = 0.1

    def scores(self, *, expected: Reals, fresh: Reals) -> Reals:
        """(n,) rounded scores of n articles."""
        return np.asarray(np.round((self.popularity * expected + self.freshness * fresh) / STEP) * STEP)

    def weights(self, scores: Reals, count: Whole) -> Reals:
        """Each level's weight, where `count` articles have its score: over all articles they sum to one."""
        odds = np.exp(scores - scores[count > 0].max())
        return np.asarray((1 - self.exploration) * odds / (odds @ count) + self.exploration / count.sum())


CONTROL = Policy(version="popular-1", arm="control", popularity=1.2, freshness=0.4)
TREATMENT = Policy(version="fresh-1", arm="treatment", popularity=1.0, freshness=2.8)
POLICIES = (CONTROL, TREATMENT)


def draw(weights: Reals, slates: Whole, *, size: int, key: str) -> Whole:
    """(slates, size) articles: none twice in a slate, each position in proportion to what is left for it.

    `slates` are numbers, `key` names the draws. What stands above already is drawn again, which leaves the conditional
    chances as they should be.
    """
    filled = np.empty((len(slates), size), dtype=np.int64)
    for position in range(size):
        open_, turn = np.arange(len(slates)), 0
        while len(open_):
            filled[open_, position] = pick(weights, uniform(f"{key}/{position}/{turn}", slates[open_]))
            again = (filled[open_, :position] == filled[open_, position, None]).any(axis=1)
            open_, turn = open_[again], turn + 1
    return filled


def given_above(weights: Reals) -> Reals:
    """(slates, size) chances given what stands above, from the (slates, size) weights of what stands there.

    A slate's product is the chance of the whole slate.
    """
    above = np.cumsum(weights, axis=1) - weights
    return np.asarray(weights / (1 - above))


def chances(level: Reals, count: Whole, *, size: int) -> Reals:
    """(pages, levels, size): the chance of one article of each level to stand at each position of each page.

    `level` (pages, levels) are weights, `count` how many articles have each; a page's weights sum to one over its
    articles. Let every article arrive after an exponential time with its weight as rate: the order of arrival is
    Plackett-Luce (Yellott 1977). An article stands at position k, from 0, when k others came before it: its chance is
    the integral over t of w·exp(−wt) times the Poisson-binomial chance of k arrivals among the others by t. The
    trapezoid rule in log t gives it to about 1e-8.
    """
    ends = _last_arrival(level, count)[:, None]
    grid = _EARLIEST + (ends - _EARLIEST) * np.linspace(0, 1, _NODES)
    time, step = np.exp(grid), (ends - _EARLIEST) / (_NODES - 1)
    rates = [level[:, i, None] * time for i in range(level.shape[1])]
    others = _all_but_one([_arrivals(rate, count[:, i], size) for i, rate in enumerate(rates)])
    chance = np.empty((*level.shape, size))
    for i, rate in enumerate(rates):
        before = _both(others[i], _arrivals(rate, np.maximum(count[:, i] - 1, 0), size))
        chance[:, i] = np.einsum("pt,kpt->pk", step * rate * np.exp(-rate), before)
    return chance


def _last_arrival(level: Reals, count: Whole) -> Reals:
    """(pages,) log of a time by which a page is surely full, or all articles have come."""
    everything = np.log(_SURELY / level.min(axis=1))
    grid = np.linspace(0, 1, 48) * everything[:, None]
    come = np.einsum("pl,plt->pt", count, -np.expm1(-level[:, :, None] * np.exp(grid)[:, None]))
    full = (come >= _FULL).argmax(axis=1)
    return np.asarray(np.where(come[:, -1] >= _FULL, np.take_along_axis(grid, full[:, None], 1)[:, 0], everything))


def _arrivals(rate: Reals, count: Whole, size: int) -> Reals:
    """(size, pages, times): the chance that 0, 1, ... of `count` like articles have come; binomial."""
    # Beyond 60 all have come, to the last digit; the powers below would overflow.
    rate = np.minimum(rate, 60.0)
    odds, chance = np.expm1(rate), np.zeros((size, *rate.shape))
    chance[0] = np.exp(-rate * count[:, None])
    for k in range(1, size):
        chance[k] = chance[k - 1] * odds * (np.maximum(count - k + 1, 0) / k)[:, None]
    return chance


def _all_but_one(parts: list[Reals]) -> list[Reals]:
    """For each part, all the others together."""
    nothing = np.zeros_like(parts[0])
    nothing[0] = 1.0
    before, after, rest = [nothing], nothing, list[Reals]()
    for part in parts[:-1]:
        before.append(_both(before[-1], part))
    for part, earlier in zip(reversed(parts), reversed(before), strict=True):
        rest.append(_both(earlier, after))
        after = _both(after, part)
    return rest[::-1]


def _both(one: Reals, other: Reals) -> Reals:
    """Arrivals among two groups together, up to what a page holds: a convolution, cut off."""
    together = one[0] * other
    for k in range(1, len(one)):
        together[k:] += one[k] * other[: len(one) - k]
    return np.asarray(together)
