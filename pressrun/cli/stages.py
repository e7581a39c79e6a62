"""`pressrun ingest`, `sample`, `train`, `rollout`: one stage of a run, the same code as the DAG's task."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from pressrun.cli.following import following
from pressrun.cli.options import HERE, Dag, EnvironmentName, Fresh, PipelineName, Run, pipeline_of, run_of
from pressrun.cli.terminal import conclude, err, out, tell_progress

if TYPE_CHECKING:
    from pressrun.lake import StageResult
    from pressrun.step import Step

# What these log, they also tell as progress.
_TOLD_TWICE = ("pressrun.gates.stage", "pressrun.drift.stage")


def ingest(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Reads new articles into the lake and judges the batch."""
    run_one("ingest", pipeline, environment, run, dag, fresh)


def sample(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Draws the articles to label, with exact quotas and near-duplicates grouped."""
    run_one("sample", pipeline, environment, run, dag, fresh)


def train(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Trains a candidate on all labels so far and registers it."""
    run_one("train", pipeline, environment, run, dag, fresh)


DryRun = Annotated[bool, typer.Option("--dry-run", help="in a cluster: print what would be written, and the diff")]


def rollout(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
) -> None:
    """Puts the gated candidate into traffic step by step, or back; needs a supervisor or a cluster's controller."""
    if dry_run:
        _dry_run(begin("rollout", pipeline, environment, run, dag, fresh))
    else:
        run_one("rollout", pipeline, environment, run, dag, fresh)


def _dry_run(step: Step) -> None:
    from pressrun.cli.clusters import tell_dry_run
    from pressrun.loop import upstream
    from pressrun.rollout import make_plan, served

    quiet()
    trained, gated = upstream(step)
    plan = make_plan(step, trained, gated, served(step.environment, step.pipeline.model))
    tell_dry_run(step.environment, plan)


def run_one(
    name: str, pipeline: str | None, environment: str | None, run: str | None, dag: str | None, fresh: bool
) -> None:
    """Runs one stage by its name, in the run that the options mean; leaves with its verdict's exit code."""
    step = begin(name, pipeline, environment, run, dag, fresh)
    leave(run_step(step), step, named=pipeline)


def begin(
    name: str, pipeline: str | None, environment: str | None, run: str | None, dag: str | None, fresh: bool
) -> Step:
    """The step that the options mean, told on the terminal."""
    from pressrun.config.load import load_environment
    from pressrun.lake import StepKey
    from pressrun.step import Step, open_lake

    place, loop = load_environment(environment), pipeline_of(pipeline)
    run_id = run_of(name, place, loop.model, dag=dag, given=run)
    key = StepKey(dag_id=dag or HERE, run_id=run_id, task_id=name)
    err.print(f"run {run_id}", style="dim", highlight=False, soft_wrap=True)
    # Whoever types the command again wants what has changed since to count.
    return Step(
        key=key,
        pipeline=loop,
        environment=place,
        lake=open_lake(place),
        fresh=fresh,
        progress=tell_progress,
        asked=uuid4().hex,
    )


def run_step(step: Step) -> StageResult:
    """The stage's result; what libraries log on the way is left out."""
    from pressrun.loop import carry_out

    quiet()
    return carry_out(step)


def leave(result: StageResult, step: Step, *, named: str | None) -> None:
    """Prints what came out and what comes next; leaves with the exit code of the verdict, where there is one.

    `named` is the pipeline as it was named on the command line.
    """
    try:
        conclude(result)
    finally:
        for line in (_seconds(step), following(result, step, named=named)):
            if line:
                out.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _seconds(step: Step) -> str | None:
    """Where the run's seconds went, once it has come to its gate."""
    from pressrun.loop import UPSTREAM
    from pressrun.results import seconds_by_stage

    if step.key.task_id not in ("gate", "rollout"):
        return None
    keys = (step.key.model_copy(update={"task_id": name}) for name in UPSTREAM)
    found = [result for key in keys if (result := step.lake.finished(key)) is not None]
    return seconds_by_stage(found)


def quiet() -> None:
    """Keeps libraries' own lines off the terminal, and those that progress tells already."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in _TOLD_TWICE:
        logging.getLogger(name).setLevel(logging.ERROR)
