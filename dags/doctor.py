"""### What it does
Looks at everything that a night needs, from where tasks run: packages, disk, Java, the lake and whether two writers
cannot both win, the operational database, MLflow, Airflow's own parts, Slack, LLM labelers, each cluster's kinds,
rights, controller and quotas, and the platform of Spark jobs. Trigger it before the first night and after every change
of the environment.

### When a task fails
Its last line names what stands in the way and what to do; the lines above it say the same of everything else.

### Who owns it
Whoever runs the platform. The same from a terminal: `pressrun doctor`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from operators.doctor import DoctorOperator

with DAG(
    dag_id="pressrun_doctor",
    dag_display_name="Pressrun: doctor",
    description="Is all there that a night needs?",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    default_args={"owner": "platform", "retries": 0},
    tags=["pressrun", "platform"],
):
    DoctorOperator(task_id="examine")
