"""How far apart two distributions over the same categories are. Each takes counts or shares of shape (k,)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def total_variation(first: ArrayLike, second: ArrayLike) -> float:
    """Half the sum of absolute differences, in [0, 1]: the share of rows that would have to change category.

    >>> round(total_variation([24, 76], [41, 59]), 3)
    0.17
    """
    p, q = _shares(first, second)
    return float(np.abs(p - q).sum() / 2)


def jensen_shannon_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The square root of the Jensen-Shannon divergence in bits, in [0, 1].

    Endres and Schindelin, "A new metric for probability distributions", IEEE Trans. Information Theory 49 (2003).

    >>> jensen_shannon_distance([1, 0], [0, 1])
    1.0
    """
    p, q = _shares(first, second)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def population_stability_index(expected: ArrayLike, actual: ArrayLike, floor: float = 1e-4) -> float:
    """The symmetric relative entropy in nats, at least 0; shares below `floor` are lifted to it.

    Siddiqi, "Credit Risk Scorecards" (2006): below 0.1 is called stable, above 0.25 shifted.
    """
    p, q = (np.maximum(shares, floor) for shares in _shares(expected, actual))
    return float(((q - p) * np.log(q / p)).sum())


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    held = p > 0
    return float((p[held] * np.log2(p[held] / q[held])).sum())


def _shares(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"two distributions over the same categories are needed, got shapes {p.shape} and {q.shape}")
    for name, values in (("first", p), ("second", q)):
        if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
            raise ValueError(f"the {name} distribution needs counts of at least 0 and one above, got {values.tolist()}")
    return p / p.sum(), q / q.sum()
