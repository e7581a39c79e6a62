"""Latencies in buckets: which score each bucket gets, and the champion's buckets when some factor is allowed.

Two ways to be slow are bet on: everything a little (normal scores of the ranks: van der Waerden 1952; nothing is better
when logarithms of latencies are normal) and a few requests a lot (the slowest twentieth, hundredth, five hundredth).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

SLOWER = (0.12, 0.35, 1.0)
# Log odds of being beyond a rank, for the slowest twentieth, hundredth and five hundredth.
TAIL = ((0.95, 1.0), (0.99, 1.2), (0.998, 3.0))
LATENCY_WEIGHTS = np.log([0.15, 0.40, 0.15, 0.10, 0.10, 0.10])
# Upper bounds in milliseconds of the buckets for what is measured to the millisecond: 0.1 ms to a minute by 5%.
BUCKET_RATIO = 1.05
BOUNDS = tuple(float(f"{0.1 * BUCKET_RATIO**power:.6g}") for power in range(274))


def bucketed(milliseconds: ArrayLike, bounds: ArrayLike = BOUNDS) -> NDArray[np.int64]:
    """How many of the latencies fall into each bucket: (len(bounds) + 1,), the last for those beyond all bounds."""
    places = np.searchsorted(np.asarray(bounds, np.float64), np.asarray(milliseconds, np.float64), side="left")
    return np.bincount(places, minlength=np.size(bounds) + 1)


def latency_scores(pooled: ArrayLike) -> Floats:
    """The normal score of each bucket's rank (b,) among what was seen before of both arms (b,)."""
    return np.asarray(ndtri(_ranks(pooled)), np.float64)


def _ranks(pooled: ArrayLike) -> Floats:
    counts = np.asarray(pooled, np.float64)
    return np.asarray((np.cumsum(counts) - counts / 2 + 0.5) / (counts.sum() + 1), np.float64)


def latency_tilts(pooled: ArrayLike) -> Floats:
    """The tilts (k, b) of `log_e_values` for `LATENCY_WEIGHTS`; their negatives bet on a faster candidate.

    Where the scores come from earlier windows only, the test holds for every candidate that is stochastically no
    slower; from the pooled counts of the window itself, for one that is the same.
    """
    ranks = _ranks(pooled)
    tail = [log_odds * (ranks > rank) for rank, log_odds in TAIL]
    return np.vstack([np.outer(SLOWER, ndtri(ranks)), tail])


def times(counts: ArrayLike, bounds: ArrayLike, *, ratio: float, floor: float, up: bool) -> Floats:
    """The counts (b,) that latencies raised to `floor` ms and multiplied by `ratio` would have had.

    A bucket says only between which bounds a latency lay: it is taken at its upper bound with `up`, else its lower.
    """
    edges = np.asarray(bounds, np.float64)
    lower = np.maximum(np.concatenate([[0.0], edges]), floor) * ratio
    upper = np.maximum(np.concatenate([edges, [np.inf]]), floor) * ratio
    # A bound that rounding put a hair beside another counts as that one.
    hair = 1e-9
    above = np.searchsorted(edges * (1 + hair), upper, side="left")
    below = np.minimum(np.searchsorted(edges * (1 - hair), lower, side="right"), above)
    places = above if up else np.where(lower == upper, above, below)
    return np.asarray(np.bincount(places, np.asarray(counts, np.float64), minlength=len(edges) + 1), np.float64)
