"""Intervals for a share and for the difference between two."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from scipy.special import betaincinv

from pressrun.stats.check import check_alpha, check_counts


class Interval(NamedTuple):
    """An estimate with an interval of coverage 1 - alpha, from `samples` observations."""

    estimate: float
    low: float
    high: float
    samples: int
    method: str


def normal_quantile(alpha: float) -> float:
    """The normal quantile of a two-sided interval of coverage 1 - `alpha`."""
    return NormalDist().inv_cdf(1 - check_alpha(alpha) / 2)


def wilson_interval(x: int, n: int, alpha: float = 0.05) -> Interval:
    """The score interval of a share of `x` in `n`: Wilson, "Probable inference", JASA 22 (1927).

    >>> [round(bound, 3) for bound in wilson_interval(91, 100)[1:3]]
    [0.838, 0.952]
    """
    check_counts(x, n)
    z, share = normal_quantile(alpha), x / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n, "Wilson score")


def clopper_pearson_interval(x: int, n: int, alpha: float = 0.05) -> Interval:
    """The exact interval of a share of `x` in `n`: Clopper and Pearson, Biometrika 26 (1934). Never too short.

    >>> [round(bound, 3) for bound in clopper_pearson_interval(0, 30)[1:3]]
    [0.0, 0.116]
    """
    check_counts(x, n)
    check_alpha(alpha)
    low = float(betaincinv(x, n - x + 1, alpha / 2)) if x else 0.0
    high = float(betaincinv(x + 1, n - x, 1 - alpha / 2)) if x < n else 1.0
    return Interval(x / n, low, high, n, "Clopper-Pearson")


def proportion_difference_interval(x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05) -> Interval:
    """The interval of x1/n1 - x2/n2 for independent samples, from the two Wilson intervals.

    Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17
    (1998), method 10. It holds up near 0, where error rates live.

    >>> [round(bound, 3) for bound in proportion_difference_interval(56, 70, 48, 80)[:3]]
    [0.2, 0.052, 0.334]
    """
    check_counts(x1, n1, suffix="1")
    check_counts(x2, n2, suffix="2")
    first, second = wilson_interval(x1, n1, alpha), wilson_interval(x2, n2, alpha)
    difference = first.estimate - second.estimate
    low = difference - sqrt((first.estimate - first.low) ** 2 + (second.high - second.estimate) ** 2)
    high = difference + sqrt((first.high - first.estimate) ** 2 + (second.estimate - second.low) ** 2)
    return Interval(difference, max(-1.0, low), min(1.0, high), n1 + n2, "Newcombe hybrid score")
