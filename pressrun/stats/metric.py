"""Any metric of one classifier, or of two on the same rows, with the intervals that the built-in metrics get."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pressrun.stats.check import check_alpha, check_scalar
from pressrun.stats.classification import MetricInterval, interval_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Metric(Protocol):
    """A number of n rows and k classes, the larger the better."""

    def __call__(self, target: Ints, predicted: Ints, probabilities: Floats | None) -> float:
        """`target` and `predicted` (n,) are within 0..k-1; `probabilities` (n, k), None where a model gave none.

        Called on the rows and on resamples of them, where a class may be absent: nan says that there is no value.
        """
        ...


class Answers(NamedTuple):
    """One model's answers: the class (n,), and the probabilities (n, k) where they are known."""

    predicted: Ints
    probabilities: Floats | None = None


def compare_metric(
    metric: Metric,
    target: Ints,
    candidate: Answers,
    champion: Answers | None = None,
    *,
    clusters: Ints,
    alpha: float = 0.05,
    resamples: int = 2000,
    seed: int = 0,
) -> MetricInterval:
    """Compares models as `compare_classifiers` does: both resampled together, by whole `clusters` (n,).

    Raises ValueError when the metric has no finite value on the rows themselves.
    """
    check_alpha(alpha)
    check_scalar(resamples, "resamples", ge=100)
    models = [candidate] if champion is None else [candidate, champion]
    seen = np.array([_finite(_value(metric, target, model, slice(None))) for model in models])
    groups, position = np.unique(clusters, return_inverse=True)
    rng, rows = np.random.default_rng(seed), np.arange(len(target))
    shares = np.full(len(groups), 1 / len(groups))
    drawn = np.empty((len(models), resamples))
    for draw in range(resamples):
        chosen = np.repeat(rows, rng.multinomial(len(groups), shares)[position.ravel()])
        drawn[:, draw] = [_value(metric, target, model, chosen) for model in models]
    return interval_of(seen, drawn, alpha, len(target))


def _value(metric: Metric, target: Ints, model: Answers, rows: Ints | slice) -> float:
    taken = [part if part is None else part[rows] for part in (target, model.predicted, model.probabilities)]
    for part in taken:
        if part is not None:
            part.flags.writeable = False  # the slice is a view of what every check reads
    value = metric(*taken)  # type: ignore[arg-type]
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"the metric must give a number, it gave {value!r}")
    return float(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"the metric has no value on these rows: it gave {value}")
    return value
