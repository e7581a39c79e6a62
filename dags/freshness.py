"""### What it does
Asks once a day, at `fresh_by` of the pipeline file: has a run since yesterday's deadline ended with a champion that
serves, or found nothing new to learn? If not, the model's channel is told and the task fails. It is a DAG of its own
because the run that is missed may never have started.

### When a task fails
The champion of before still serves. Open the newest run of `<model>_retrain`: it is missing, paused, still running
or stopped by a verdict, and its failed task says what to do.

### Who owns it
The owner named above; messages go to the channel in `alerts.slack` of the pipeline file.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable

from operators.assets import loop_assets
from operators.freshness import FreshnessOperator
from operators.pipelines import build_dags, local_timezone, page, task_defaults
from pressrun.config.pipeline import Pipeline


def freshness(pipeline: Pipeline, file: Path) -> DAG | None:
    """The DAG `<model>_freshness`; None when the pipeline names no deadline."""
    if pipeline.fresh_by is None:
        return None
    daily = f"{pipeline.fresh_by.minute} {pipeline.fresh_by.hour} * * *"
    with DAG(
        dag_id=f"{pipeline.model}_freshness",
        dag_display_name=f"{pipeline.model}: freshness",
        description=f"Is there a fresh champion of {pipeline.model} by {pipeline.fresh_by:%H:%M}?",
        doc_md=page(pipeline, __doc__),
        schedule=CronTriggerTimetable(daily, timezone=local_timezone()),
        catchup=False,
        max_active_runs=1,
        default_args=task_defaults(pipeline, file),
        tags=["pressrun", pipeline.model, "freshness"],
    ) as dag:
        FreshnessOperator(task_id="fresh_champion", pipeline=str(file), inlets=[loop_assets(pipeline.model).champion])
    return dag


globals().update(build_dags("freshness", freshness))
