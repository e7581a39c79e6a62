"""Drift: have articles or answers moved? In a loop on the prediction stream, or alone on two Parquet files."""

from pressrun.drift.alone import compare_files
from pressrun.drift.compare import compare
from pressrun.drift.own import DriftTest
from pressrun.drift.stage import watch

__all__ = ["DriftTest", "compare", "compare_files", "watch"]
