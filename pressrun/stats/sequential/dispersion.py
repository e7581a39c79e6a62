"""How much more the windows differ than chance allows, and what the evidence is divided by for it.

Readers who keep their arm, a slow node under one of the arms: then the candidate's share of the errors moves more from
window to window than a fair draw's, often for several windows on end, and e-values of single windows say too much. The
factor is the long-run variance of past windows' standardised residuals, by means of batches of 1, 2, 4, ... windows
(Flegal and Jones, "Batch means and spectral variance estimators", Annals of Statistics 38 (2010)), where it is clearly
above one. log e / factor is then valid for draws so much wider in the sense of quasi-likelihood (McCullagh 1983). That
part is an approximation, and the factor has to be learnt from some windows first. A fair draw keeps a factor of 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEVELS = 6
FEWEST_BATCHES = 8
CLEARLY = 3.0


class Dispersion(NamedTuple):
    """Sums over `windows` windows: of batches under way, of finished ones and of their squares, each (n, LEVELS)."""

    windows: int
    open: Floats
    sums: Floats
    squares: Floats


def no_dispersion(n: int = 1) -> Dispersion:
    """Before the first window, for `n` canaries."""
    return Dispersion(0, np.zeros((n, LEVELS)), np.zeros((n, LEVELS)), np.zeros((n, LEVELS)))


def widened(before: Dispersion, residuals: ArrayLike) -> Dispersion:
    """With one window's standardised residuals (n,)."""
    windows = before.windows + 1
    sizes = 2 ** np.arange(LEVELS)
    under_way = before.open + np.asarray(residuals, np.float64)[:, None]
    full = windows % sizes == 0
    batch = np.where(full, under_way / np.sqrt(sizes), 0.0)
    return Dispersion(windows, np.where(full, 0.0, under_way), before.sums + batch, before.squares + batch**2)


def factor(seen: Dispersion) -> Floats:
    """What the next window's log e-values are divided by (n,), at least 1."""
    batches = seen.windows // 2 ** np.arange(LEVELS)
    known = batches >= FEWEST_BATCHES
    if not known.any():
        return np.ones(len(seen.sums))
    counted, sums, squares = batches[known], seen.sums[:, known], seen.squares[:, known]
    variance = (squares - sums**2 / counted) / (counted - 1)
    clear = variance > 1 + CLEARLY * np.sqrt(2 / (counted - 1))
    found: Floats = np.maximum(1.0, np.where(clear, variance, 1.0).max(axis=1))
    return found


def residuals(scores: ArrayLike, candidate: ArrayLike, champion: ArrayLike) -> Floats:
    """The candidate's score sums (n,), standardised as fair draws from both arms' counts by bucket (n, b)."""
    score, ours = np.asarray(scores, np.float64), np.atleast_2d(np.asarray(candidate, np.float64))
    pooled = ours + np.atleast_2d(np.asarray(champion, np.float64))
    drawn, total = ours.sum(axis=1), np.maximum(pooled.sum(axis=1), 1.0)
    mean = pooled @ score / total
    spread = np.maximum(pooled @ score**2 / total - mean**2, 0.0)
    variance = drawn * (total - drawn) / np.maximum(total - 1, 1.0) * spread
    found: Floats = np.where(variance > 1e-12, (ours @ score - drawn * mean) / np.sqrt(np.maximum(variance, 1e-12)), 0)
    return found
