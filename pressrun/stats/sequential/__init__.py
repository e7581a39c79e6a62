"""Tests that may be looked at after every window: e-values, their mixtures, and intervals that hold at every look."""

from pressrun.stats.sequential.counts import (
    LOG_ODDS,
    LOG_ODDS_WEIGHTS,
    allowed_e_values,
    budget_e_values,
    count_e_values,
)
from pressrun.stats.sequential.dispersion import Dispersion, factor, no_dispersion, residuals, widened
from pressrun.stats.sequential.exchange import log_e_values
from pressrun.stats.sequential.latency import (
    BOUNDS,
    LATENCY_WEIGHTS,
    bucketed,
    latency_scores,
    latency_tilts,
    times,
)
from pressrun.stats.sequential.mean import mean_sequence
from pressrun.stats.sequential.quantile import quantile_sequence
from pressrun.stats.sequential.wealth import grown, invested, log_total

__all__ = [
    "BOUNDS",
    "LATENCY_WEIGHTS",
    "LOG_ODDS",
    "LOG_ODDS_WEIGHTS",
    "Dispersion",
    "allowed_e_values",
    "bucketed",
    "budget_e_values",
    "count_e_values",
    "factor",
    "grown",
    "invested",
    "latency_scores",
    "latency_tilts",
    "log_e_values",
    "log_total",
    "mean_sequence",
    "no_dispersion",
    "quantile_sequence",
    "residuals",
    "times",
    "widened",
]
