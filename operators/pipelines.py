"""DAGs from pipeline files: what the DAG files share. Wiring helpers only; the DAGs stand in dags/."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, conf

from operators.notifier import PressrunNotifier
from pressrun.config.load import load_pipeline, pipeline_files
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError

Builder = Callable[[Pipeline, Path], DAG | None]


class BrokenPipeline(DAG):
    """Stands for a pipeline file that cannot be used: Airflow shows what is wrong with it as the import error.

    An exception at import would take the other pipelines' DAGs of the same DAG file down with it.
    """

    def __init__(self, dag_id: str, error: ConfigError) -> None:
        super().__init__(dag_id, schedule=None)
        self.error = error

    def validate(self) -> None:
        """Called by Airflow when it loads the DAG. Raises the ConfigError."""
        raise self.error


def build_dags(suffix: str, build: Builder) -> dict[str, DAG]:
    """A DAG for every pipeline file, by dag_id; `build` may return None for a pipeline that wants none."""
    built = (_build(file, suffix, build) for file in pipeline_files())
    return {dag.dag_id: dag for dag in built if dag is not None}


def task_defaults(pipeline: Pipeline, file: Path) -> dict[str, Any]:
    """`default_args`: who owns it, how it is retried, who hears of a failure."""
    return {
        "owner": pipeline.owner,
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "on_failure_callback": [PressrunNotifier(pipeline=str(file))],
    }


def page(pipeline: Pipeline, text: str | None) -> str:
    """The DAG's page: the model in a sentence, then what the DAG file says of itself."""
    described = f"{pipeline.description}\n\n" if pipeline.description else ""
    return f"{described}**Owner:** {pipeline.owner} · **model:** {pipeline.model}\n\n{text or ''}"


def local_timezone() -> str:
    """The time zone in which pipeline files name hours: Airflow's own."""
    return str(conf.get("core", "default_timezone", fallback="utc"))


def _build(file: Path, suffix: str, build: Builder) -> DAG | None:
    try:
        return build(load_pipeline(file), file)
    except ConfigError as error:
        return BrokenPipeline(f"{file.stem}_{suffix}", error)
