"""The bootstrap of sums, by clusters: what every interval over dependent rows here stands on.

Rows of one near-duplicate group, or requests for one article, are not independent; whole clusters are resampled.
Field and Welsh, "Bootstrapping clustered data", JRSS B 69 (2007). Clusters with equal totals are interchangeable, so
that only how often each distinct total is drawn needs drawing: a multinomial, and one matrix product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Bounds the memory of one draw: this many counts of 8 bytes at a time.
_MOST_COUNTS = 4_000_000


def cluster_totals(rows: NDArray[np.float64], clusters: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Sums `rows` (n, s) within each cluster: (clusters, s); with no clusters each row is its own."""
    if clusters is None:
        return rows
    _, position = np.unique(clusters, return_inverse=True)
    totals = np.zeros((int(position.max()) + 1, rows.shape[1]))
    np.add.at(totals, position.ravel(), rows)
    return totals


def resampled_totals(totals: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    """The sum over a resample of clusters, `resamples` times: (resamples, s) from (clusters, s)."""
    distinct, times = np.unique(totals, axis=0, return_counts=True)
    clusters = int(times.sum())
    shares = times / clusters
    size = max(1, _MOST_COUNTS // len(distinct))
    parts = [
        rng.multinomial(clusters, shares, size=min(size, resamples - start)) @ distinct
        for start in range(0, resamples, size)
    ]
    return np.concatenate(parts)


def percentile_interval(draws: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """The central 1 - `alpha` of `draws`, NaN left out; (NaN, NaN) where nothing is left."""
    held = draws[~np.isnan(draws)]
    if not len(held):
        return float("nan"), float("nan")
    low, high = np.quantile(held, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)
