"""One classifier, or two on the same rows: macro-F1, F1 a class and accuracy with intervals by paired bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pressrun.stats.check import check_alpha, check_scalar
from pressrun.stats.resample import cluster_totals, percentile_interval, resampled_totals

METHOD = "paired bootstrap"
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class MetricInterval(NamedTuple):
    """A metric of the candidate, and of the champion and their difference where there is one.

    `low` and `high` bound the candidate's value, `difference_low` and `difference_high` the difference, each with
    coverage 1 - alpha.
    """

    candidate: float
    low: float
    high: float
    champion: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    samples: int


class Agreement(NamedTuple):
    """`f1` holds one entry a class, in the order of the classes; its `samples` are the rows of that class."""

    macro_f1: MetricInterval
    accuracy: MetricInterval
    f1: tuple[MetricInterval, ...]


def compare_classifiers(
    target: Ints,
    candidate: Ints,
    champion: Ints | None = None,
    *,
    classes: int,
    clusters: Ints | None = None,
    alpha: float = 0.05,
    class_alpha: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Compares predictions with `target`, all of shape (n,) and within 0..classes-1.

    Both models are resampled together (paired), by whole `clusters` (n,): Efron and Tibshirani, "An Introduction to
    the Bootstrap" (1993), chapter 13; Koehn, "Statistical significance tests for machine translation evaluation"
    (2004). A class with neither truth nor predictions has no F1 and is left out of the macro mean. `class_alpha` is
    the alpha of each class's intervals, for callers who divide it by the number of classes.
    """
    models = [candidate] if champion is None else [candidate, champion]
    _check(target, models, classes)
    check_alpha(alpha)
    check_scalar(resamples, "resamples", ge=100)
    rows = np.hstack([_row_counts(target, predicted, classes) for predicted in models])
    draws = resampled_totals(cluster_totals(rows, clusters), np.random.default_rng(seed), resamples)
    seen, drawn = _metrics(rows.sum(axis=0)[None, :], len(models), classes), _metrics(draws, len(models), classes)
    truth = np.bincount(target, minlength=classes)
    metric = [
        interval_of(seen[:, 0, column], drawn[:, :, column], level, int(samples))
        for column, level, samples in _columns(alpha, class_alpha or alpha, truth)
    ]
    return Agreement(metric[0], metric[1], tuple(metric[2:]))


def confusion(target: Ints, predicted: Ints, *, classes: int) -> Ints:
    """Counts (classes, classes): true class by row, predicted class by column."""
    _check(target, [predicted], classes)
    return np.bincount(target * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _columns(alpha: float, class_alpha: float, truth: Ints) -> list[tuple[int, float, int]]:
    total = int(truth.sum())
    return [(0, alpha, total), (1, alpha, total)] + [(2 + k, class_alpha, int(n)) for k, n in enumerate(truth)]


def _row_counts(target: Ints, predicted: Ints, classes: int) -> Floats:
    """What a row adds to the hits, the predictions and the truths of each class: (n, 3 classes)."""
    one = np.eye(classes)
    truth, guess = one[target], one[predicted]
    return np.hstack([truth * guess, guess, truth])


def _metrics(totals: Floats, models: int, classes: int) -> Floats:
    """Macro-F1, accuracy and F1 a class from totals (r, models * 3 classes): (models, r, 2 + classes)."""
    parts = totals.reshape(len(totals), models, 3, classes).transpose(1, 2, 0, 3)
    hits, guesses, truths = parts[:, 0], parts[:, 1], parts[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(guesses + truths > 0, 2 * hits / (guesses + truths), np.nan)
        accuracy = hits.sum(axis=-1) / truths.sum(axis=-1)
        counted = (~np.isnan(f1)).sum(axis=-1)
        macro = np.nansum(f1, axis=-1) / counted
    return np.concatenate([macro[..., None], accuracy[..., None], f1], axis=-1)


def interval_of(seen: Floats, drawn: Floats, alpha: float, samples: int) -> MetricInterval:
    """From a metric's values of one or two models (m,) and those on `r` resamples (m, r)."""
    low, high = percentile_interval(drawn[0], alpha)
    if len(seen) == 1:
        return MetricInterval(float(seen[0]), low, high, None, None, None, None, samples)
    difference_low, difference_high = percentile_interval(drawn[0] - drawn[1], alpha)
    difference = float(seen[0] - seen[1])
    return MetricInterval(
        float(seen[0]), low, high, float(seen[1]), difference, difference_low, difference_high, samples
    )


def _check(target: Ints, models: list[Ints], classes: int) -> None:
    check_scalar(classes, "classes", ge=1)
    for name, values in (("target", target), *((f"predictions {i}", m) for i, m in enumerate(models, 1))):
        if values.shape != target.shape or values.ndim != 1 or not len(values):
            raise ValueError(f"{name} must be one class a row of the {len(target)} targets, got shape {values.shape}")
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(f"{name} must be within 0..{classes - 1}, got {values.min()}..{values.max()}")
