"""Errors and other counts: the candidate against the champion, or against a fixed budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy

from pressrun.stats.sequential.exchange import log_e_values

Floats = NDArray[np.float64]

# Log odds ratios that are bet on, and the share of the bet: most on a doubling, the rest from half as many again to a
# crash. "Better" is bet on by the same sizes with the sign changed.
LOG_ODDS = np.log([1.5, 2.0, 3.0, 6.0, 20.0, 150.0])
LOG_ODDS_WEIGHTS = np.log([0.15, 0.40, 0.15, 0.10, 0.10, 0.10])
_WITHIN_SD = 8.0


def count_e_values(
    log_odds: ArrayLike, candidate: ArrayLike, requests: ArrayLike, champion: ArrayLike, champion_requests: ArrayLike
) -> Floats:
    """The log e-values (n, k) of n windows' counts (n,) of `requests` (n,) each, for `log_odds` (k,)."""
    tilts = np.outer(np.asarray(log_odds, np.float64), [0.0, 1.0])
    ours, theirs = (
        np.column_stack([np.subtract(of, counted), counted])
        for counted, of in ((candidate, requests), (champion, champion_requests))
    )
    return log_e_values(tilts, ours, theirs)


def allowed_e_values(
    log_odds: ArrayLike, candidate: int, requests: int, champion: int, champion_requests: int, *, allowances: ArrayLike
) -> Floats:
    """The log e-values (a, k) of one window against champions whose rate p were p + allowance (1 - p), one a row.

    Each of the champion's good requests would be turned bad with that probability; instead of drawing which ones, the
    e-value is averaged over the draw, which is an e-value too, needs no luck, and grows at least as fast (Jensen). A
    negative allowance is dealt to the candidate.
    """
    rows, sizes = [], []
    for allowance in np.asarray(allowances, np.float64):
        ours_turn = bool(allowance < 0)
        good = requests - candidate if ours_turn else champion_requests - champion
        turned, log_chances = _turned(good, float(abs(allowance)))
        counts = np.column_stack([candidate + turned * ours_turn, champion + turned * (not ours_turn)])
        rows.append(np.column_stack([counts, log_chances]))
        sizes.append(len(turned))
    every = np.concatenate(rows)
    of = [np.full(len(every), number) for number in (requests, champion_requests)]
    found = count_e_values(log_odds, every[:, 0], of[0], every[:, 1], of[1]) + every[:, 2:]
    starts = np.cumsum([0, *sizes[:-1]])
    return np.asarray(np.logaddexp.reduceat(found, starts, axis=0), np.float64)


def _turned(good: int, share: float) -> tuple[NDArray[np.int64], Floats]:
    """How many may be turned, and how likely; what is left out only makes the e-value smaller."""
    if share == 0 or good == 0:
        return np.zeros(1, np.int64), np.zeros(1)
    away = _WITHIN_SD * np.sqrt(good * share * (1 - share)) + _WITHIN_SD
    turned = np.arange(max(0, int(good * share - away)), min(good, int(good * share + away)) + 1)
    ways = gammaln(good + 1) - gammaln(turned + 1) - gammaln(good - turned + 1)
    log_chances = ways + xlogy(turned, share) + xlog1py(good - turned, -share)
    return turned, np.asarray(log_chances, np.float64)


def budget_e_values(log_odds: ArrayLike, found: ArrayLike, of: ArrayLike, *, budget: float) -> Floats:
    """The log e-values (n, k) of `found` (n,) in `of` (n,) pairs against a share of at most `budget`, within (0, 1).

    The likelihood ratio of a Bernoulli share whose odds are the budget's times exp(log_odds): Wald (1945).
    """
    tilt = np.asarray(log_odds, np.float64)
    each = np.log1p(budget * np.expm1(tilt))
    return np.asarray(np.multiply.outer(found, tilt) - np.multiply.outer(of, each), np.float64)
