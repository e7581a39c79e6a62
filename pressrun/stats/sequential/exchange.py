"""The test under all others here: within one window, are the candidate's requests a fair draw from both arms' requests?

Requests of a window fall into buckets (failed or not; latency buckets). When the arms do not differ, the candidate's
requests are a random draw without replacement from the pooled ones, whatever the window's rate was: its buckets are
multivariate hypergeometric given the pooled counts. The e-value of a tilt (a score for each bucket) is the likelihood
ratio of the exponentially tilted draw, Fisher's noncentral hypergeometric, to the fair one:

    e = exp(sum of the candidate's scores) / Z,  Z = [z^drawn] prod_b (1 + z exp(score_b))^pooled_b / C(total, drawn)

Its mean over fair draws is 1, so products over windows are a nonnegative martingale, and the chance that one ever
reaches 1 / alpha is at most alpha (Ville 1939). Nothing is assumed of how the rate moves from window to window, as long
as the arms share it. With scores that rise by bucket, e rises with every request that the candidate answers worse, so
the bound also holds wherever the candidate is stochastically no worse. For two buckets it is the conditional form of
Turner, Ly and Grünwald, "Generic e-variables for exact sequential k-sample tests that allow for optional stopping"
(2024); for permutations in general see Koning, "Post-hoc and anytime valid permutation and group invariance testing"
(2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]

# The trapezoid rule on a circle of radius r sums the wanted coefficient and those one period of points away. All are
# positive, so that Z is never too small; at this many standard deviations away they are below 1e-15 of it.
_PERIOD_SD = 12.0
# Beyond it the integrand is below 1e-17 of its peak; what is cut is added back as a bound.
_CUT_SD = 9.0
_HALVINGS = 14
# Rows whose draws are further than this from what the shared radius expects are computed apart.
_FAR_SD = 3.0


def log_e_values(tilts: ArrayLike, candidate: ArrayLike, champion: ArrayLike) -> Floats:
    """The log e-values (n, k) of n windows for k tilts (k, b), from both arms' counts by bucket (n, b).

    A window in which one arm has no request says nothing: zeros.
    """
    tilts, ours = np.atleast_2d(np.asarray(tilts, np.float64)), np.atleast_2d(np.asarray(candidate, np.float64))
    pooled = ours + np.atleast_2d(np.asarray(champion, np.float64))
    drawn, total = ours.sum(axis=1), pooled.sum(axis=1)
    found = np.zeros((len(ours), len(tilts)))
    telling = (drawn > 0) & (drawn < total)
    if telling.any():
        seen = pooled[telling].any(axis=0)
        kept = np.ix_(telling, seen)
        normalisers = log_normalisers(tilts[:, seen], pooled[kept], drawn[telling])
        found[telling] = ours[kept] @ tilts[:, seen].T - normalisers
    return found


def log_normalisers(tilts: Floats, pooled: Floats, drawn: Floats) -> Floats:
    """log Z (n, k) for draws (n,) of windows of pooled counts (n, b); 0 < drawn < total, and each bucket in use."""
    rows, unique = _distinct(pooled, drawn)
    columns = _normalised(tilts, rows[:, :-1], rows[:, -1])
    found: Floats = np.stack(columns, axis=1)[unique]
    return found


def _distinct(pooled: Floats, drawn: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Equal windows are computed once; with many buckets they are rare, and looking for them costs more."""
    rows = np.column_stack([pooled, drawn])
    if pooled.shape[1] > 2 or len(rows) < 2:
        return rows, np.arange(len(rows))
    distinct, places = np.unique(rows, axis=0, return_inverse=True)
    return distinct, places.ravel()


def _normalised(tilts: Floats, pooled: Floats, drawn: Floats) -> list[Floats]:
    total = pooled.sum(axis=1)
    # A constant added to the scores cancels; the middle keeps the exponentials small.
    middles = tilts @ pooled.sum(axis=0) / total.sum()
    weights = np.exp(np.clip(tilts - middles[:, None], -600, 600))
    free = gammaln(total + 1) - gammaln(drawn + 1) - gammaln(total - drawn + 1)
    found = _log_coefficients(weights, pooled, drawn)
    return [one - free + middle * drawn for one, middle in zip(found, middles, strict=True)]


def _log_coefficients(weights: Floats, pooled: Floats, drawn: Floats) -> list[Floats]:
    """log [z^drawn] prod_b (1 + z weights_b)^pooled_b for weights (k, b): each by a circle shared by the rows."""
    radii = _radii(weights, pooled.sum(axis=0), float(drawn.sum()))
    return [_log_coefficient(float(r), one, pooled, drawn) for r, one in zip(radii, weights, strict=True)]


def _log_coefficient(radius: float, weights: Floats, pooled: Floats, drawn: Floats) -> Floats:
    share = radius * weights / (1 + radius * weights)
    deviation = np.sqrt(pooled @ (share * (1 - share)))
    away = (pooled @ share - drawn) / np.maximum(deviation, 0.5)
    if len(drawn) > 1 and np.ptp(away) > 2 * _FAR_SD:
        return _apart(weights, pooled, drawn, away > float(away.mean()))
    return _on_circle(radius, weights, pooled, drawn, deviation)


def _apart(weights: Floats, pooled: Floats, drawn: Floats, upper: NDArray[np.bool_]) -> Floats:
    found = np.empty(len(drawn))
    for part in (upper, ~upper):
        found[part] = _log_coefficients(weights[None], pooled[part], drawn[part])[0]
    return found


def _radii(weights: Floats, pooled: Floats, drawn: float) -> Floats:
    """Near where the tilted mean of the draws is `drawn`, the saddle point. Any radius gives the same coefficient."""
    fair = np.log(drawn / (pooled.sum() - drawn))
    low, high = fair - np.log(weights.max(axis=1)), fair - np.log(weights.min(axis=1))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        odds = np.exp(middle)[:, None] * weights
        short = (odds / (1 + odds)) @ pooled < drawn
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(np.exp((low + high) / 2), np.float64)


def _on_circle(radius: float, weights: Floats, pooled: Floats, drawn: Floats, deviation: Floats) -> Floats:
    most = int(pooled.sum(axis=1).max())
    points = min(most + 1, int(np.ceil(_PERIOD_SD * float(deviation.max()))) + 8)
    half = points // 2
    used = min(half, int(np.ceil(_CUT_SD / (2 * np.pi) * points / max(float(deviation.min()), 1e-9))) + 1)
    angles = 2 * np.pi * np.arange(1, used + 1) / points
    turned = np.log1p(radius * weights[:, None] * np.exp(1j * angles))
    peak = np.log1p(radius * weights)
    sizes = np.exp(pooled @ (turned.real - peak[:, None]))
    waves = sizes * np.cos(pooled @ turned.imag - np.outer(drawn, angles))
    # Each point stands for its mirror image too, but the one opposite the start.
    twice = np.full(used, 2.0)
    if used == half and points % 2 == 0 and used:
        twice[-1] = 1.0
    cut = 2.0 * max(half - used, 0) * sizes[:, -1] if used else 0.0
    summed = np.maximum(1.0 + waves @ twice, 1e-12) + cut
    found: Floats = pooled @ peak - drawn * np.log(radius) + np.log(summed / points)
    return found
