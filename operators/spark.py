"""`SparkStageOperator`: a stage that needs Spark, wherever the environment's file says that Spark runs."""

from __future__ import annotations

from operators.job import JobStageOperator


class SparkStageOperator(JobStageOperator):
    """Runs a stage; what needs Spark runs on the platform of the environment (`spark.platform`), by default here."""
