"""The statistics behind every verdict: intervals, paired bootstraps and distances. Pure functions on numpy arrays."""

from pressrun.stats import sequential
from pressrun.stats.calibration import Calibration, ReliabilityBin, calibration_error
from pressrun.stats.check import check_scalar
from pressrun.stats.classification import Agreement, MetricInterval, compare_classifiers, confusion
from pressrun.stats.distance import (
    jensen_shannon_distance,
    population_stability_index,
    total_variation,
)
from pressrun.stats.metric import Answers, Metric, compare_metric
from pressrun.stats.proportion import (
    Interval,
    clopper_pearson_interval,
    proportion_difference_interval,
    wilson_interval,
)
from pressrun.stats.quantile import quantile_interval, quantile_ratio_interval
from pressrun.stats.shift import Shift, mean_shift, permuted_distance_p_value, share_shift

__all__ = [
    "Agreement",
    "Answers",
    "Calibration",
    "Interval",
    "Metric",
    "MetricInterval",
    "ReliabilityBin",
    "Shift",
    "calibration_error",
    "check_scalar",
    "clopper_pearson_interval",
    "compare_classifiers",
    "compare_metric",
    "confusion",
    "jensen_shannon_distance",
    "mean_shift",
    "permuted_distance_p_value",
    "population_stability_index",
    "proportion_difference_interval",
    "quantile_interval",
    "quantile_ratio_interval",
    "sequential",
    "share_shift",
    "total_variation",
    "wilson_interval",
]
