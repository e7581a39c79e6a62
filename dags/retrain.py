"""### What it does
One night of the loop: **ingest** new articles → **sample** which to label → **label** them (machines, then people)
→ **train** a candidate → **gate** it against the champion that serves now → **rollout** as a canary, then to all
traffic. It runs nightly, and at once when the model's drift DAG asks for it. A step that was already done with the
same inputs, config and code is reused; a night with nothing new ends in seconds.

### When a task fails
The last line of its log says what was found and what to do. The champion keeps serving whatever happens here.
- **ingest**: a batch unlike the usual ones. No label was bought. Mend the files or `articles.batch`.
- **sample, train**: read the error, mend, clear the task. What is before it is not done again.
- **label**: the labels disagree with the audit, or too few audited articles were answered.
- **gate**: the candidate is not good enough. Nothing to repair on the serving side; the report says where it lost.
  Who knows better: `pressrun override VERDICT --by NAME --reason TEXT --until 2h`, then clear the task.
- **rollout**: the candidate failed under traffic and has been rolled back. Killing or clearing a running rollout
  rolls it back, too, as `pressrun abort` does. Without a supervisor it fails in ten minutes: start one, clear the task.

### Who owns it
The owner named above; messages go to the channel in `alerts.slack` of the pipeline file.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from operators.assets import LoopAssets, loop_assets
from operators.gate import GateOperator
from operators.ingest import IngestOperator
from operators.label import LabelOperator
from operators.pipelines import build_dags, local_timezone, page, task_defaults
from operators.rollout import RolloutOperator
from operators.sample import SampleOperator
from operators.train import TrainOperator
from pressrun.config.pipeline import Pipeline


def retrain(pipeline: Pipeline, file: Path) -> DAG:
    """The DAG `<model>_retrain`."""
    assets = loop_assets(pipeline.model)
    with DAG(
        dag_id=f"{pipeline.model}_retrain",
        dag_display_name=f"{pipeline.model}: retrain",
        description=f"Articles to a served champion of {pipeline.model}",
        doc_md=page(pipeline, __doc__),
        schedule=_schedule(pipeline, assets),
        catchup=False,
        # A run may wait hours for people; one that drift asked for must not wait behind it.
        max_active_runs=2,
        default_args=task_defaults(pipeline, file),
        params=_form(pipeline),
        tags=["pressrun", pipeline.model, "retrain"],
    ) as dag:
        _night(str(file), assets)
    return dag


def _night(file: str, assets: LoopAssets) -> None:
    ingest = IngestOperator(task_id="ingest", pipeline=file, outlets=[assets.articles])
    sample = SampleOperator(
        task_id="sample",
        pipeline=file,
        sample_rows="{{ params.sample_rows }}",
        fresh="{{ params.relabel }}",
        deferrable=True,
        upstream={"ingested": ingest.output},
        inlets=[assets.articles],
    )
    known = {"ingested": ingest.output, "sampled": sample.output}
    label = LabelOperator(
        task_id="label",
        pipeline=file,
        fresh="{{ params.relabel }}",
        deferrable=True,
        upstream=known,
        outlets=[assets.labels],
    )
    known = {**known, "labeled": label.output}
    train = TrainOperator(
        task_id="train", pipeline=file, deferrable=True, upstream=known, inlets=[assets.labels], outlets=[assets.model]
    )
    known = {**known, "trained": train.output}
    gate = GateOperator(task_id="gate", pipeline=file, upstream=known, inlets=[assets.model])
    RolloutOperator(
        task_id="rollout",
        pipeline=file,
        judge_only="{{ params.dry_run }}",
        deferrable=True,
        upstream={"trained": train.output, "gated": gate.output},
        inlets=[assets.model],
        outlets=[assets.champion],
    )


def _schedule(pipeline: Pipeline, assets: LoopAssets) -> AssetOrTimeSchedule | list[object]:
    if pipeline.schedule is None:
        return [assets.drift]
    nightly = CronTriggerTimetable(pipeline.schedule, timezone=local_timezone())
    return AssetOrTimeSchedule(timetable=nightly, assets=[assets.drift])


def _form(pipeline: Pipeline) -> dict[str, Param]:
    return {
        "sample_rows": Param(
            pipeline.sample.rows,
            type="integer",
            minimum=1,
            title="Articles to label",
            description="How many articles to sample tonight. More labels cost more and make a better model.",
        ),
        "relabel": Param(
            False,
            type="boolean",
            title="Label again",
            description="Ask the labelers again even when the very same articles were labeled before; with no new "
            "articles, about those of the newest sample.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Stop after the gate: the candidate is judged and registered, traffic is left alone.",
        ),
    }


globals().update(build_dags("retrain", retrain))
