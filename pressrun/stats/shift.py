"""How much shares and means moved between two independent windows whose rows come in clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from pressrun.stats.check import check_alpha
from pressrun.stats.distance import total_variation
from pressrun.stats.proportion import Interval
from pressrun.stats.resample import cluster_totals, percentile_interval, resampled_totals

METHOD = "cluster bootstrap"
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Shift(NamedTuple):
    """The total variation between two windows' shares with its interval, and each category's change in share.

    Total variation is never 0 in a sample, so its interval cannot tell noise from a shift; `real` says whether any
    category's change excludes 0, at alpha divided by the number of categories.
    """

    distance: Interval
    changes: tuple[Interval, ...]
    real: bool


def share_shift(
    reference: Ints,
    current: Ints,
    *,
    classes: int,
    reference_clusters: Ints | None = None,
    current_clusters: Ints | None = None,
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Shift:
    """Compares the shares of 0..classes-1 in `reference` (n,) and `current` (m,), resampled by whole clusters."""
    check_alpha(alpha)
    rng = np.random.default_rng(seed)
    before, after = np.eye(classes)[reference], np.eye(classes)[current]
    drawn = _shares(after, current_clusters, rng, resamples) - _shares(before, reference_clusters, rng, resamples)
    rows = len(reference) + len(current)
    low, high = percentile_interval(np.abs(drawn).sum(axis=1) / 2, alpha)
    distance = total_variation(before.sum(axis=0), after.sum(axis=0))
    changes = tuple(
        Interval(float(moved), *percentile_interval(drawn[:, k], alpha / classes), rows, METHOD)
        for k, moved in enumerate(after.mean(axis=0) - before.mean(axis=0))
    )
    real = any(change.low > 0 or change.high < 0 for change in changes)
    return Shift(Interval(distance, low, high, rows, METHOD), changes, real)


def mean_shift(
    reference: Floats,
    current: Floats,
    *,
    reference_clusters: Ints | None = None,
    current_clusters: Ints | None = None,
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The change of the mean from `reference` (n,) to `current` (m,), resampled by whole clusters."""
    check_alpha(alpha)
    rng = np.random.default_rng(seed)
    drawn = _means(current, current_clusters, rng, resamples) - _means(reference, reference_clusters, rng, resamples)
    moved = float(current.mean() - reference.mean())
    return Interval(moved, *percentile_interval(drawn, alpha), len(reference) + len(current), METHOD)


def permuted_distance_p_value(
    reference: Floats,
    current: Floats,
    *,
    reference_clusters: Ints,
    current_clusters: Ints,
    resamples: int = 400,
    seed: int = 0,
) -> float:
    """How often the Wasserstein distance between `reference` (n,) and `current` (m,) is chance: a p-value in (0, 1].

    Whole clusters change windows, since rows of one article are not independent: a permutation test, Pitman (1937);
    the least p is 1 / (resamples + 1), Phipson and Smyth, "Permutation p-values should never be zero" (2010).
    """
    groups = [*_grouped(reference, reference_clusters), *_grouped(current, current_clusters)]
    first = len(np.unique(reference_clusters))
    rng = np.random.default_rng(seed)
    seen = wasserstein_distance(reference, current)
    further = 0
    for _ in range(resamples):
        order = rng.permutation(len(groups))
        here, there = ([groups[i] for i in part] for part in (order[:first], order[first:]))
        further += wasserstein_distance(np.concatenate(here), np.concatenate(there)) >= seen
    return (1 + int(further)) / (1 + resamples)


def _grouped(values: Floats, clusters: Ints) -> list[Floats]:
    order = np.argsort(clusters, kind="stable")
    edges = np.flatnonzero(np.diff(clusters[order])) + 1
    return list(np.split(values[order], edges))


def _shares(rows: Floats, clusters: Ints | None, rng: np.random.Generator, resamples: int) -> Floats:
    totals = resampled_totals(cluster_totals(rows, clusters), rng, resamples)
    shares: Floats = totals / totals.sum(axis=1, keepdims=True)
    return shares


def _means(values: Floats, clusters: Ints | None, rng: np.random.Generator, resamples: int) -> Floats:
    rows = np.column_stack([values, np.ones(len(values))])
    totals = resampled_totals(cluster_totals(rows, clusters), rng, resamples)
    means: Floats = totals[:, 0] / totals[:, 1]
    return means
