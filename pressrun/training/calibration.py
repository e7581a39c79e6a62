"""How sure a model's decisions are, by rows that it has not seen."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from pressrun.bundle.models import softmax
from pressrun.training.teacher import Codes, Reals


def log_loss_of(chances: Reals, truth: Codes, weights: Reals | None = None) -> float:
    """Mean surprise of `chances` (n, k) at the `truth` (n,), in nats; with `weights` (n,), the weighted mean."""
    surprises = -np.log(np.maximum(chances[np.arange(len(truth)), truth], 1e-12))
    return float(np.average(surprises, weights=weights))


def calibrate(decisions: Reals, truth: Codes) -> float:
    """The slope that makes softmax(slope x decision) likeliest on the truth (temperature scaling, Guo et al. 2017)."""

    def surprise(log_slope: float) -> float:
        return log_loss_of(softmax(decisions, float(np.exp(log_slope))), truth)

    return float(np.exp(minimize_scalar(surprise, bounds=(-3.0, 4.0), method="bounded").x))
