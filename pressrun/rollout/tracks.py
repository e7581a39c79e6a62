"""One metric's evidence: what was bet at each margin, the counts behind it, and the interval over time.

At each margin, a difference that a budget could name, two bets grow by every window: that the candidate is worse than
the champion and the margin, and that it is better. The margins against which one of them has won are outside the
interval, so that the interval and the decision are one and the same test.
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pressrun.stats.sequential import Dispersion, factor, grown, log_total, no_dispersion, widened

MOST_LOOKS = 200
Floats = NDArray[np.float64]
Rows = tuple[tuple[float, ...], ...]


class Look(BaseModel):
    """The interval after window `number`; None where that side is open yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    estimate: float | None
    low: float | None
    high: float | None


class Track(BaseModel):
    """The bets of one metric after `number` windows.

    `worse` and `better` hold the log wealth of each bet at each of `margins`, `peaks` the greatest log e-values of both
    sides so far; `spread` the sums of the dispersion's batches. All are logarithms to four digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    margins: tuple[float, ...]
    number: int = 0
    worse: Rows = ()
    better: Rows = ()
    peaks: Rows = ()
    spread: Rows = ()
    looks: tuple[Look, ...] = ()
    thinned: int = 1

    def taken(self, log_e: Floats, log_weights: Floats, residual: float) -> Track:
        """After one window more: `log_e` (margins, 2 k) for k bets on worse, then k on better."""
        number, spread = self.number + 1, self._dispersion()
        log_e = log_e / float(factor(spread)[0])
        k = len(log_weights)
        worse, better = (
            grown(np.array(rows) if rows else None, part, number=number, log_weights=log_weights)
            for rows, part in ((self.worse, log_e[:, :k]), (self.better, log_e[:, k:]))
        )
        now = np.array([log_total(worse, number=number), log_total(better, number=number)])
        peaks = np.maximum(now, np.array(self.peaks)) if self.peaks else now
        after = widened(spread, [residual])
        update = {"worse": _rows(worse), "better": _rows(better), "peaks": _rows(peaks), "spread": _sums(after)}
        return self.model_copy(update={**update, "number": number})

    def log_e(self, margin: float) -> tuple[float, float]:
        """The greatest log e-values at one of the margins: for worse, for better."""
        if not self.peaks:
            return 0.0, 0.0
        place = self.margins.index(margin)
        return self.peaks[0][place], self.peaks[1][place]

    def interval(self, alpha_low: float, alpha_high: float) -> tuple[float | None, float | None]:
        """The margins between which the difference is, by now; None for a side that is open."""
        if not self.peaks:
            return None, None
        worse, better = self.peaks
        low = [m for m, peak in zip(self.margins, worse, strict=True) if peak >= log(1 / alpha_low)]
        high = [m for m, peak in zip(self.margins, better, strict=True) if peak >= log(1 / alpha_high)]
        return max(low, default=None), min(high, default=None)

    def looked(self, estimate: float | None, alpha_low: float, alpha_high: float) -> Track:
        """With the present interval on the trail, which keeps every second, fourth, ... look as it grows."""
        if self.number % self.thinned:
            return self
        low, high = self.interval(alpha_low, alpha_high)
        looks = (*self.looks, Look(number=self.number, estimate=estimate, low=low, high=high))
        if len(looks) <= MOST_LOOKS:
            return self.model_copy(update={"looks": looks})
        thinned = self.thinned * 2
        kept = tuple(look for look in looks if look.number % thinned == 0)
        return self.model_copy(update={"looks": kept, "thinned": thinned})

    @property
    def dispersion(self) -> float:
        """What the next window's evidence will be divided by."""
        return float(factor(self._dispersion())[0])

    def _dispersion(self) -> Dispersion:
        if not self.spread:
            return no_dispersion()
        return Dispersion(self.number, *(np.array([row]) for row in self.spread))


def track_of(margins: tuple[float, ...], budget: float) -> Track:
    """A track before its first window; the budget is one of its margins."""
    return Track(margins=tuple(sorted({*margins, budget})))


def _rows(values: Any) -> Rows:
    return tuple(tuple(round(float(value), 4) for value in row) for row in values)


def _sums(spread: Dispersion) -> Rows:
    return _rows([spread.open[0], spread.sums[0], spread.squares[0]])
