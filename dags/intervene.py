"""### What it does
Steps into the rollout of the model that is under way, with the name of whoever triggers it and a reason:
**pause** holds it at its present share, **resume** lets it go on, **promote** skips the steps and the bake that are
left unless a check has failed, **force** does so whatever the checks say, **abort** takes the candidate out of traffic.
A pause does not keep a candidate that does harm: it still goes back.

### When a task fails
Nothing is under way: the model's rollout has ended, or none was submitted.

### Who owns it
The owner named above. The same from a terminal: `pressrun pause|resume|promote|abort MODEL --by NAME --reason TEXT`.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from operators.intervene import InterveneOperator
from operators.pipelines import build_dags, page, task_defaults
from pressrun.config.pipeline import Pipeline


def intervene(pipeline: Pipeline, file: Path) -> DAG:
    """The DAG `<model>_intervene`."""
    with DAG(
        dag_id=f"{pipeline.model}_intervene",
        dag_display_name=f"{pipeline.model}: intervene",
        description=f"Pause, resume, promote, force or abort the rollout of {pipeline.model}",
        doc_md=page(pipeline, __doc__),
        schedule=None,
        catchup=False,
        default_args={**task_defaults(pipeline, file), "retries": 0},
        params={
            "wish": Param(
                "pause",
                type="string",
                enum=["pause", "resume", "promote", "force", "abort"],
                title="What shall happen",
                description="A force is loud: the verdict and Slack say who forced what, and why.",
            ),
            "reason": Param(None, type="string", minLength=3, title="Why", description="Stays on the verdict."),
        },
        tags=["pressrun", pipeline.model, "rollout"],
    ) as dag:
        InterveneOperator(
            task_id="intervene", pipeline=str(file), wish="{{ params.wish }}", reason="{{ params.reason }}"
        )
    return dag


globals().update(build_dags("intervene", intervene))
