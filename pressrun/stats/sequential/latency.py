"""Latencies in buckets: which score each bucket gets, and the champion's buckets when some factor is allowed.

Two ways to be slow are bet on: everything a little (normal scores of the ranks: van der Waerden 1952; nothing is better
when logarithms of latencies are normal) and a few requests a lot (the slowest twentieth and hundredth).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

SLOWER = (0.12, 0.35, 1.0)
TAIL = (1.0, 2.5)
LATENCY_WEIGHTS = np.log([0.15, 0.40, 0.15, 0.15, 0.15])
# Upper bounds in milliseconds of the buckets for what is measured to the millisecond: 0.1 ms to a minute by 5%.
BUCKET_RATIO = 1.05
BOUNDS = tuple(float(f"{0.1 * BUCKET_RATIO**power:.6g}") for power in range(274))


def bucketed(milliseconds: ArrayLike, bounds: ArrayLike = BOUNDS) -> NDArray[np.int64]:
    """How many of the latencies fall into each bucket: (len(bounds) + 1,), the last for those beyond all bounds."""
    places = np.searchsorted(np.asarray(bounds, np.float64), np.asarray(milliseconds, np.float64), side="left")
    return np.bincount(places, minlength=np.size(bounds) + 1)


def latency_scores(pooled: ArrayLike) -> tuple[Floats, Floats]:
    """Two scores a bucket, (b,) each, from what was seen before of both arms (b,): for the body and for the tail."""
    counts = np.asarray(pooled, np.float64)
    total = counts.sum()
    ranks = (np.cumsum(counts) - counts / 2 + 0.5) / (total + 1)
    tail = 0.5 * (ranks > 0.95) + 0.5 * (ranks > 0.99)
    return np.asarray(ndtri(ranks), np.float64), np.asarray(tail, np.float64)


def latency_tilts(pooled: ArrayLike) -> Floats:
    """The tilts (k, b) of `log_e_values` for `LATENCY_WEIGHTS`; their negatives bet on a faster candidate.

    Where the scores come from earlier windows only, the test holds for every candidate that is stochastically no
    slower; from the pooled counts of the window itself, for one that is the same.
    """
    body, tail = latency_scores(pooled)
    return np.vstack([np.outer(SLOWER, body), np.outer(TAIL, tail)])


def times(counts: ArrayLike, bounds: ArrayLike, *, ratio: float, floor: float, up: bool) -> Floats:
    """The counts (b,) that latencies raised to `floor` ms and multiplied by `ratio` would have had.

    A bucket says only between which bounds a latency lay: it is taken at its upper bound with `up`, else its lower.
    """
    edges = np.asarray(bounds, np.float64)
    lower = np.maximum(np.concatenate([[0.0], edges]), floor) * ratio
    upper = np.maximum(np.concatenate([edges, [np.inf]]), floor) * ratio
    reached = edges * (1 + 1e-9)
    above = np.searchsorted(reached, upper, side="left")
    # A latency just above a bound lies in the next bucket, unless rounding put the bound a hair below itself.
    below = np.minimum(np.where(lower == upper, above, np.searchsorted(edges * (1 - 1e-9), lower, side="right")), above)
    found: Floats = np.bincount(above if up else below, np.asarray(counts, np.float64), minlength=len(edges) + 1)
    return found
