"""### What it does
Keeps the lake small, every night at five: many small files of one step or stream become few, the log of each table gets
a checkpoint and loses what is older than the environment's `lake.retention`, files that no version needs are deleted.
What a registered model, a champion, an unfinished run or a waiting sample stands on stays, however old it is; the log
says what was kept for whom. It runs beside writers and readers. Beside it, `alerts_arrive` fails when messages lie
undelivered for hours or Slack takes no token of ours, since nobody else would tell; else it gives a heartbeat.

### When a task fails
`maintain`: nothing is lost; clear it. MLflow must answer, since it says which models are registered.
`alerts_arrive`: its last line says since when which messages lie in the outbox, and what Slack answered; or why none
would arrive.

### Who owns it
Whoever runs the platform. The same from a terminal: `pressrun maintain [--dry-run]`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from operators.maintenance import AlertsArriveOperator, MaintenanceOperator
from operators.notifier import PressrunNotifier
from operators.pipelines import local_timezone
from pressrun.config.load import pipeline_files

with DAG(
    dag_id="pressrun_maintenance",
    dag_display_name="Pressrun: maintenance",
    description="Keeps the lake small, and every registered model's lineage readable",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 5 * * *", timezone=local_timezone()),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "platform",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "on_failure_callback": [PressrunNotifier(pipeline=str(file)) for file in pipeline_files()],
    },
    params={
        "only_look": Param(False, type="boolean", title="Only look", description="Says in the log what would be done."),
    },
    tags=["pressrun", "platform"],
):
    MaintenanceOperator(task_id="maintain", only_look="{{ params.only_look }}")
    AlertsArriveOperator(task_id="alerts_arrive")
