"""Intervals for a quantile and for the ratio of two: latencies, which have long tails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from pressrun.stats.check import check_alpha, check_scalar
from pressrun.stats.proportion import Interval


def quantile_interval(values: ArrayLike, q: float, alpha: float = 0.05) -> Interval:
    """The `q` quantile of `values` (n,) with its distribution-free interval by order statistics.

    David and Nagaraja, "Order Statistics" (2003), section 7.1. Where there are too few values for a bound at `alpha`,
    the bound is infinite on that side.
    """
    ordered = _finite(values, "values")
    check_scalar(q, "q", gt=0, lt=1)
    low, high = _rank_bounds(len(ordered), q, check_alpha(alpha))
    return Interval(
        float(np.quantile(ordered, q)),
        float(ordered[low - 1]) if low >= 1 else float("-inf"),
        float(ordered[high - 1]) if high <= len(ordered) else float("inf"),
        len(ordered),
        "order statistics",
    )


def quantile_ratio_interval(
    candidate: ArrayLike,
    champion: ArrayLike,
    q: float = 0.99,
    alpha: float = 0.05,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """The ratio of the `q` quantiles, candidate to champion, for independent samples of positive values (n,), (m,).

    A percentile bootstrap (Efron and Tibshirani, 1993, chapter 13). The quantile of a resample is an order statistic
    of the sample whose rank follows from a Beta variable (the rank's share of n uniforms), so that no resample is ever
    drawn: Hutson and Ernst, "The exact bootstrap mean and variance of an L-estimator", JRSS B 62 (2000).
    """
    first, second = _finite(candidate, "candidate"), _finite(champion, "champion")
    if first[0] <= 0 or second[0] <= 0:
        raise ValueError(f"a ratio needs positive values, got {min(first[0], second[0])}")
    check_scalar(q, "q", gt=0, lt=1)
    check_scalar(resamples, "resamples", ge=100)
    rng = np.random.default_rng(seed)
    ratios = _resampled_quantile(first, q, rng, resamples) / _resampled_quantile(second, q, rng, resamples)
    low, high = np.quantile(ratios, [check_alpha(alpha) / 2, 1 - alpha / 2])
    estimate = float(np.quantile(first, q) / np.quantile(second, q))
    return Interval(estimate, float(low), float(high), len(first) + len(second), "percentile bootstrap")


def _resampled_quantile(
    ordered: NDArray[np.float64], q: float, rng: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    n = len(ordered)
    rank = min(n, max(1, int(np.ceil(q * n))))
    uniform = rng.beta(rank, n - rank + 1, size=resamples)
    taken: NDArray[np.float64] = ordered[np.minimum(n - 1, (uniform * n).astype(np.int64))]
    return taken


def _rank_bounds(n: int, q: float, alpha: float) -> tuple[int, int]:
    """The widest-needed ranks (1-based; 0 and n + 1 stand for no bound): P(X_(low) <= quantile <= X_(high))."""
    below = np.asarray(bdtr(np.arange(n), n, q))
    low = int(np.searchsorted(below, alpha / 2, side="right"))
    high = int(np.searchsorted(below, 1 - alpha / 2, side="left")) + 1
    return low, high


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array: NDArray[Any] = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(array) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be one or more finite numbers, got {array[:5].tolist()}")
    return array
