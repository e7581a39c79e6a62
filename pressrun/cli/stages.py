"""`pressrun ingest`, `sample`, `label`, `train`, `rollout`: one stage of a run, the same code as the DAG's task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pressrun.cli.options import Dag, EnvironmentName, Fresh, PipelineName, Run, pipeline_of, run_of
from pressrun.cli.terminal import ExitCode, conclude, err, out, tell_progress

if TYPE_CHECKING:
    from pressrun.lake import StageResult


class LabelGroup(TyperGroup):
    """`pressrun label [PIPELINE]` labels; `pressrun label queue` and the like are about people's questions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if first not in self.commands and not {"--help", "-h"} & set(args):
            args = ["run", *args]
        return super().parse_args(ctx, args)


SHOWN_QUESTIONS = 20
label_app = typer.Typer(cls=LabelGroup, help="Labels the sample; people's questions: queue, export, import.")
File = Annotated[Path, typer.Argument(help="a CSV file")]


def ingest(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Reads new articles into the lake and judges the batch."""
    conclude(run_one("ingest", pipeline, environment, run, dag, fresh))


def sample(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Draws the articles to label, with exact quotas and near-duplicates grouped."""
    conclude(run_one("sample", pipeline, environment, run, dag, fresh))


@label_app.command("run", hidden=True)
def label(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Labels the sample by the pipeline's chain of labelers and judges the labels by the audit."""
    conclude(run_one("label", pipeline, environment, run, dag, fresh))


def train(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Trains a candidate on all labels so far and registers it."""
    conclude(run_one("train", pipeline, environment, run, dag, fresh))


def rollout(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Puts the gated candidate into traffic step by step, or back; needs `pressrun supervise` to run."""
    conclude(run_one("rollout", pipeline, environment, run, dag, fresh))


def run_one(
    name: str, pipeline: str | None, environment: str | None, run: str | None, dag: str | None, fresh: bool
) -> StageResult:
    """One stage by its name, in the run that the options mean."""
    from pressrun.config.load import load_environment
    from pressrun.loop import run_stage

    place, loop = load_environment(environment), pipeline_of(pipeline)
    run_id = run_of(place, loop.model, begin=name in ("ingest", "drift"), given=run)
    err.print(f"run {run_id}", style="dim", highlight=False)
    return run_stage(
        name,
        pipeline=loop,
        environment=place,
        dag_id=dag or "cli",
        run_id=run_id,
        fresh=fresh,
        progress=tell_progress,
    )


@label_app.command("queue")
def queue(environment: EnvironmentName = None, pipeline: PipelineName = None) -> None:
    """The questions that wait for people."""
    from pressrun.config.load import load_environment
    from pressrun.jobs import Questions, open_database

    model = pipeline_of(pipeline).model
    questions = Questions(open_database(load_environment(environment).database)).unanswered(pipeline=model)
    out.print(f"{len(questions):,} questions on {model} wait for people", highlight=False)
    for question in questions[:SHOWN_QUESTIONS]:
        out.print(f"  {question.title}", markup=False, highlight=False)


@label_app.command("export")
def export(file: File, environment: EnvironmentName = None, pipeline: PipelineName = None) -> None:
    """Writes the waiting questions to a CSV to be filled in."""
    from pressrun.config.load import load_environment
    from pressrun.labeling import export_questions

    count = export_questions(load_environment(environment), pipeline_of(pipeline), file)
    out.print(f"{count:,} questions in {file}; fill in the column answer, then: pressrun label import {file}")


@label_app.command("import")
def import_(
    file: File,
    person: Annotated[str, typer.Option("--as", help="who answered")],
    environment: EnvironmentName = None,
    pipeline: PipelineName = None,
) -> None:
    """Reads answers from a CSV that export wrote."""
    from pressrun.config.load import load_environment
    from pressrun.labeling import import_answers

    taken = import_answers(load_environment(environment), pipeline_of(pipeline), file, person=person)
    out.print(f"{taken.accepted:,} answers taken, {taken.already:,} were known, {taken.empty:,} are empty")
    for line, reason in taken.rejected:
        err.print(f"{file}:{line}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    if taken.rejected:
        raise typer.Exit(ExitCode.FAIL)
