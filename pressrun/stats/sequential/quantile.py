"""A quantile's interval that holds at every look, for one stream of latencies."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from pressrun.stats.check import check_alpha, check_scalar
from pressrun.stats.proportion import Interval


def quantile_sequence(counts: ArrayLike, bounds: ArrayLike, q: float, alpha: float = 0.05) -> Interval:
    """The `q` quantile of latencies in buckets (b,) of upper `bounds` (b - 1,), with an interval valid at every look.

    Howard and Ramdas, "Sequential estimation of quantiles", Bernoulli 28 (2022): the ranks q ± f with
    f = 1.5 sqrt(q (1 - q) l) + 0.8 l and l = (1.4 log log(2.1 t) + log(10 / alpha)) / t after t latencies. Where a rank
    is outside [0, 1] that side is open. Requests are taken as independent; buckets are taken at their far bound.
    """
    check_scalar(q, "q", gt=0, lt=1)
    cumulated = np.cumsum(np.asarray(counts, np.float64))
    edges = np.concatenate([[0.0], np.asarray(bounds, np.float64), [np.inf]])
    t = int(cumulated[-1])
    if t < 1:
        return Interval(float("nan"), 0.0, float("inf"), 0, _METHOD)
    scale = (1.4 * log(max(log(2.1 * t), 1.0)) + log(10 / check_alpha(alpha))) / t
    away = 1.5 * sqrt(q * (1 - q) * scale) + 0.8 * scale

    def bucket(rank: float) -> int:
        return int(np.searchsorted(cumulated, rank * t - 1e-9, side="left"))

    low = float(edges[bucket(q - away)]) if q > away else 0.0
    high = float(edges[bucket(q + away) + 1]) if q + away < 1 else float("inf")
    return Interval(float(edges[bucket(q) + 1]), low, high, t, _METHOD)


_METHOD = "quantile confidence sequence"
