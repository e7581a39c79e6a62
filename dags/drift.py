"""### What it does
Looks at what the champion was asked and what it answered in the newest window, against what it was trained for:
inputs, predicted topics, confidence. Drift is told to the model's channel and, unless a retrain was asked for a
short while ago, emits the drift asset, which starts `<model>_retrain`.

### When a task fails
- **watch** fails only when the judgement itself could not be made; drift found is no failure. The last line of its
  log says what to do. Too little traffic is written to the log and is no failure.
- **ask_for_retrain** is skipped when there is nothing to ask for; its log says why.
- **reconcile** points MLflow's aliases at what is served, in case MLflow was away when a rollout ended. It is skipped
  while MLflow does not answer.

### Who owns it
The owner named above; messages go to the channel in `alerts.slack` of the pipeline file.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, DeltaTriggerTimetable

from operators.assets import loop_assets
from operators.drift import AskForRetrainOperator, DriftOperator
from operators.pipelines import build_dags, page, task_defaults
from operators.reconcile import ReconcileOperator
from pressrun.config.pipeline import Pipeline


def drift(pipeline: Pipeline, file: Path) -> DAG:
    """The DAG `<model>_drift`."""
    assets = loop_assets(pipeline.model)
    with DAG(
        dag_id=f"{pipeline.model}_drift",
        dag_display_name=f"{pipeline.model}: drift",
        description=f"Watches what {pipeline.model} is asked and answers, and asks for a retrain",
        doc_md=page(pipeline, __doc__),
        schedule=DeltaTriggerTimetable(pipeline.drift.every),
        catchup=False,
        max_active_runs=1,
        default_args=task_defaults(pipeline, file),
        tags=["pressrun", pipeline.model, "drift"],
    ) as dag:
        watch = DriftOperator(task_id="watch", pipeline=str(file), inlets=[assets.champion])
        AskForRetrainOperator(
            task_id="ask_for_retrain",
            pipeline=str(file),
            upstream={"watched": watch.output},
            outlets=[assets.drift],
        )
        ReconcileOperator(task_id="reconcile", pipeline=str(file), inlets=[assets.champion])
    return dag


globals().update(build_dags("drift", drift))
