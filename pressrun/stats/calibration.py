"""Whether a model is as often right as it says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pressrun.stats.check import check_alpha, check_scalar
from pressrun.stats.resample import cluster_totals, percentile_interval, resampled_totals

Floats = NDArray[np.float64]


class ReliabilityBin(NamedTuple):
    """Rows of like confidence: the mean confidence and the share that was right."""

    confidence: float
    accuracy: float
    samples: int


class Calibration(NamedTuple):
    """The expected calibration error with its interval, and the bins that it was summed over."""

    error: float
    low: float
    high: float
    bins: tuple[ReliabilityBin, ...]
    samples: int


def calibration_error(
    confidence: Floats,
    correct: NDArray[np.bool_],
    *,
    clusters: NDArray[np.int64] | None = None,
    bins: int = 10,
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """The expected calibration error of `confidence` (n,) within [0, 1], in bins of equal numbers of rows.

    Guo et al., "On calibration of modern neural networks" (2017), with the equal-mass bins of Nguyen and O'Connor
    (2015). The error of a finite sample is too high, and that of its resamples more so by about as much again; so the
    interval is the bootstrap's less its bias (Kumar, Liang and Ma, "Verified uncertainty calibration", 2019, on the
    bias), and never below 0.
    """
    _check(confidence, correct, bins)
    place = _bin_of(confidence, min(bins, len(confidence)))
    one = np.eye(int(place.max()) + 1)[place]
    rows = np.hstack([one * (confidence - correct)[:, None], np.ones((len(confidence), 1))])
    totals = cluster_totals(rows, clusters)
    seen = float(_error(totals.sum(axis=0)[None, :])[0])
    drawn = _error(resampled_totals(totals, np.random.default_rng(seed), resamples))
    low, high = percentile_interval(drawn - (drawn.mean() - seen), check_alpha(alpha))
    return Calibration(seen, max(0.0, low), min(1.0, high), _reliability(confidence, correct, place), len(confidence))


def _error(totals: Floats) -> Floats:
    error: Floats = np.abs(totals[:, :-1]).sum(axis=1) / totals[:, -1]
    return error


def _bin_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each row; equal confidences share one, so there may be fewer than `bins`."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    _, place = np.unique(np.searchsorted(edges, confidence, side="right"), return_inverse=True)
    return place.ravel()


def _reliability(
    confidence: Floats, correct: NDArray[np.bool_], place: NDArray[np.int64]
) -> tuple[ReliabilityBin, ...]:
    return tuple(
        ReliabilityBin(float(confidence[held].mean()), float(correct[held].mean()), int(held.sum()))
        for held in (place == k for k in range(int(place.max()) + 1))
    )


def _check(confidence: Floats, correct: NDArray[np.bool_], bins: int) -> None:
    check_scalar(bins, "bins", ge=1)
    if confidence.shape != correct.shape or confidence.ndim != 1 or not len(confidence):
        raise ValueError(f"confidence and correct must be of one length, got {confidence.shape} and {correct.shape}")
    if not np.isfinite(confidence).all() or confidence.min() < 0 or confidence.max() > 1:
        raise ValueError(f"confidence must be within 0..1, got {confidence.min()}..{confidence.max()}")
