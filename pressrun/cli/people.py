"""`pressrun label` and what belongs to it: people's questions, listed, written to a CSV and read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pressrun.cli.options import HERE, Dag, EnvironmentName, Fresh, NoRun, PipelineName, Run, pipeline_of, run_of
from pressrun.cli.stages import begin, leave, quiet, run_step
from pressrun.cli.terminal import EXIT_CODES, ExitCode, err, out

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.config.pipeline import Pipeline
    from pressrun.labeling import Asked


class LabelGroup(TyperGroup):
    """`pressrun label [PIPELINE]` labels; `pressrun label queue` and the like are about people's questions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if first not in self.commands and not {"--help", "-h"} & set(args):
            args = ["run", *args]
        return super().parse_args(ctx, args)


SHOWN_QUESTIONS = 20
label_app = typer.Typer(
    cls=LabelGroup,
    help="Labels the sample (options: `pressrun label run --help`); people's questions: queue, export, import.",
    epilog=EXIT_CODES,
)
File = Annotated[Path, typer.Argument(help="a CSV file")]


@label_app.command("run", hidden=True, epilog=EXIT_CODES)
def label(
    pipeline: PipelineName = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
    now: Annotated[bool, typer.Option("--now", help="go on with what people have answered so far")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait here for people, as long as the pipeline says")] = False,
) -> None:
    """Labels the sample by the pipeline's chain of labelers and judges the labels by the audit.

    While questions wait for people it says so and leaves with 3; run again, it goes on from there.
    """
    if now and wait:
        raise ValueError("--now goes on at once and --wait waits: give one of them")
    step = begin("label", pipeline, environment, run, dag, fresh)
    if wait:
        leave(run_step(step), step, named=pipeline)
        return
    from pressrun.labeling import ask, collect
    from pressrun.loop import upstream

    quiet()
    ingested, sampled = upstream(step)
    asked = ask(step, ingested, sampled)
    if asked.waiting and not now:
        _tell_waiting(asked, named=pipeline)
        raise typer.Exit(ExitCode.INSUFFICIENT)
    leave(collect(step, ingested, sampled), step, named=pipeline)


def _tell_waiting(asked: Asked, *, named: str | None) -> None:
    until = f" until {asked.deadline:%Y-%m-%d %H:%M} UTC" if asked.deadline else ""
    out.print(f"[bold]waiting[/]  {asked.waiting:,} questions for people{until}", highlight=False)
    after = f" {named}" if named else ""
    for command, what in (
        (f"label queue{after}", "shows them"),
        (f"label export FILE{after}", "writes them to a CSV, with an empty column `answer` to fill in"),
        (f"label import FILE{after} --as NAME", "reads your answers from it"),
        (f"label{after}", "goes on once all are answered, or the time is over"),
        (f"label{after} --now", "goes on with the answers there are"),
    ):
        out.print(f"  pressrun {command:<28}  {what}", markup=False, highlight=False, soft_wrap=True)


@label_app.command("queue")
def queue(environment: EnvironmentName = None, pipeline: PipelineName = None) -> None:
    """The questions that wait for people."""
    from pressrun.config.load import load_environment
    from pressrun.jobs import Questions, open_database

    model = pipeline_of(pipeline).model
    questions = Questions(open_database(load_environment(environment).database)).unanswered(pipeline=model)
    out.print(f"{len(questions):,} questions on {model} wait for people", highlight=False)
    for question in questions[:SHOWN_QUESTIONS]:
        out.print(f"  {question.title}", markup=False, highlight=False, soft_wrap=True)
    if len(questions) > SHOWN_QUESTIONS:
        out.print(f"  and {len(questions) - SHOWN_QUESTIONS:,} more", style="dim", highlight=False)


@label_app.command("export")
def export(file: File, environment: EnvironmentName = None, pipeline: PipelineName = None) -> None:
    """Writes the waiting questions to a CSV to be filled in."""
    from pressrun.config.load import load_environment
    from pressrun.labeling import export_questions

    count = export_questions(load_environment(environment), pipeline_of(pipeline), file)
    out.print(f"{count:,} questions in {file}", markup=False, highlight=False, soft_wrap=True)
    for line in (
        "fill in the column answer: a topic, several as A|B, or ? where you cannot say; empty stays open",
        f"next: pressrun label import {file}{f' {pipeline}' if pipeline else ''} --as NAME",
    ):
        out.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


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

    place, loop = load_environment(environment), pipeline_of(pipeline)
    taken = import_answers(place, loop, file, person=person)
    out.print(
        f"{taken.accepted:,} answers taken, {taken.already:,} were known, {taken.empty:,} are empty", highlight=False
    )
    for line, reason in taken.rejected:
        err.print(f"{file}:{line}: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    if taken.rejected:
        raise typer.Exit(ExitCode.FAIL)
    out.print(_after_import(place, loop, pipeline), style="dim", markup=False, highlight=False, soft_wrap=True)


def _after_import(place: Environment, loop: Pipeline, named: str | None) -> str:
    from pressrun.lake import StepKey
    from pressrun.step import open_lake

    after = f" {named}" if named else ""
    try:
        run = run_of("label", place, loop.model, dag=None, given=None)
    except NoRun:
        return "the run that asked takes them"
    labeled = open_lake(place).finished(StepKey(dag_id=HERE, run_id=run, task_id="label"))
    if labeled is None or labeled.stopped:
        return f"next: pressrun label{after}"
    return f"run {run} has its labels already; the next run takes these answers: pressrun ingest{after}"
