"""From a step to what a platform is asked to run."""

from __future__ import annotations

from collections.abc import Sequence

from pressrun.compute.labels import labels_of
from pressrun.compute.order import make_order
from pressrun.compute.platform import SparkJob
from pressrun.compute.stage_pod import make_stage_job
from pressrun.compute.uploads import Upload, entry, package, uploads_of
from pressrun.config.spark import Local, SparkResources
from pressrun.jobs import ExternalJob
from pressrun.lake.types import StageResult
from pressrun.step import Step

DRIVER = "pressrun.driver"
# What the stages' rows hang on, wherever they are made.
_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1024",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


def make_job(step: Step, entered: ExternalJob, upstream: Sequence[StageResult]) -> SparkJob:
    """The job of a ledger's entry, with all that it needs uploaded. Raises OSError when the lake cannot be written."""
    if step.environment.stages.of(entered.stage).in_pod:
        return make_stage_job(step, entered, upstream)
    place = uploads_of(step.environment)
    order = make_order(
        step, stage=entered.stage, upstream=upstream, fence=entered.fence, token=entered.token, trace=entered.trace
    )
    told = Upload(stem="order", suffix=".json", content=order.model_dump_json().encode())
    platform = step.environment.spark.platform
    here = isinstance(platform, Local)
    return SparkJob(
        name=f"{entered.pipeline} {entered.stage}",
        entry=place.put(entry()),
        packages=(place.put(package()),),
        files=(place.put(told),),
        arguments=(DRIVER, package().name, told.name, *(() if here else ("--platform-session",))),
        conf={**_CONF, **step.environment.spark.conf},
        labels=labels_of(step, entered, {} if isinstance(platform, Local) else platform.labels),
        resources=SparkResources() if isinstance(platform, Local) else platform.resources,
        timeout_minutes=360 if isinstance(platform, Local) else platform.timeout_minutes,
    )
