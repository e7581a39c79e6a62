"""A mean of bounded values, clicks or dwell, that may be looked at after every one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pressrun.stats.check import check_alpha
from pressrun.stats.proportion import Interval

Floats = NDArray[np.float64]
_METHOD = "betting confidence sequence"


def mean_sequence(
    values: ArrayLike, *, low: float = 0.0, high: float = 1.0, alpha: float = 0.05, resolution: int = 1000
) -> Interval:
    """The mean of `values` (n,) within [low, high], in the order seen, with an interval valid at every look.

    Whoever bets that the mean is above (below) m multiplies wealth by 1 ± l (x - m); a mean stays in while neither half
    of the wealth has ever reached 1 / alpha. The bets l follow from earlier values only: Waudby-Smith and Ramdas,
    "Estimating means of bounded random variables by betting", JRSS B 86 (2024), section 4. For a difference of two
    arms, values are the paired differences of readers or windows, within [-1, 1].
    """
    seen = (np.asarray(values, np.float64) - low) / (high - low)
    if not len(seen) or not ((seen >= 0) & (seen <= 1)).all():
        raise ValueError(f"values must be one or more numbers within [{low}, {high}], got {np.asarray(values)[:5]}")
    means = np.linspace(0, 1, resolution + 1)
    bets = _bets(seen, check_alpha(alpha))[:, None]
    most = np.maximum.reduce(
        [
            _ever(np.minimum(bets, 0.5 / np.maximum(means, 1e-12)), seen, means),
            _ever(-np.minimum(bets, 0.5 / np.maximum(1 - means, 1e-12)), seen, means),
        ]
    )
    kept = means[most < np.log(2 / alpha)]
    estimate = float(seen.mean())
    ends = (float(kept.min()), float(kept.max())) if len(kept) else (estimate, estimate)
    # What lies between two means of the grid is not excluded by either.
    step = 1 / resolution
    bounds = max(0.0, min(ends[0], estimate) - step), min(1.0, max(ends[1], estimate) + step)
    middle, least, greatest = (low + (high - low) * share for share in (estimate, *bounds))
    return Interval(middle, least, greatest, len(seen), _METHOD)


def _bets(seen: Floats, alpha: float) -> Floats:
    """The predictable plug-in bets of the paper's equation (26)."""
    numbers = np.arange(1, len(seen) + 1)
    mean = (0.5 + np.cumsum(seen)) / (numbers + 1)
    variance = (0.25 + np.cumsum((seen - mean) ** 2)) / (numbers + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * numbers * np.log1p(numbers))), np.float64)


def _ever(bets: Floats, seen: Floats, means: Floats) -> Floats:
    """The greatest log wealth at any look, for each mean."""
    return np.asarray(np.cumsum(np.log1p(bets * (seen[:, None] - means)), axis=0).max(axis=0), np.float64)
