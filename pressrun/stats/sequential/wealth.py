"""From e-values of windows to one number that may be looked at after every window.

A mixture bets a share of one unit of wealth on each of several sizes of the difference; its wealth is an e-process, so
the chance that it ever reaches 1 / alpha without a difference is at most alpha: Ville, "Étude critique de la notion de
collectif" (1939); Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49 (2021). Most of the unit is bet at the first window. The rest is kept back and put
in little by little, so that a candidate which turns bad after a long good time need not first make up for it: Shin,
Ramdas and Rinaldo, "E-detectors" (2023), of which this is the form with a total of one unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIRST_SHARE = 0.9


def invested(number: int) -> float:
    """The share of the unit that is put in at window `number`, from 1; all of them add up to 1.

    >>> invested(1), round(sum(invested(number) for number in range(1, 10_000)), 3)
    (0.9, 1.0)
    """
    return FIRST_SHARE if number == 1 else (1 - FIRST_SHARE) / (number * (number - 1))


def grown(log_wealth: Floats | None, log_e: Floats, *, number: int, log_weights: Floats) -> Floats:
    """The log wealth (..., k) of each component after window `number`, whose log e-values are (..., k).

    `log_wealth` is that after the window before, None at the first. The exponentials of `log_weights` (k,), the shares
    of the components, add up to 1.
    """
    put_in = np.log(invested(number)) + log_weights
    before = np.broadcast_to(put_in, log_e.shape) if log_wealth is None else np.logaddexp(log_wealth, put_in)
    return np.asarray(before + log_e, np.float64)


def log_total(log_wealth: Floats, *, number: int) -> Any:
    """The log of the e-process (...) after window `number`: the components' wealth and what is still kept back."""
    kept_back = np.log((1 - FIRST_SHARE) / number)
    return np.logaddexp(np.logaddexp.reduce(log_wealth, axis=-1), kept_back)
