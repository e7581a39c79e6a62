"""`pressrun gate`, `drift` and `verdicts`: the judges, in a loop or alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pressrun.cli.interventions import tell_overrides
from pressrun.cli.options import Dag, EnvironmentName, Fresh, PipelineName, Run, pipeline_of
from pressrun.cli.stages import run_one
from pressrun.cli.terminal import COLOURS, exit_code, headline, out, tell_verdict

if TYPE_CHECKING:
    from pressrun.verdict import Verdict


def gate(
    pipeline: PipelineName = None,
    predictions: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="alone: Parquet of the candidate's answers on true labels"),
    ] = None,
    candidate: Annotated[str | None, typer.Option(help="alone: a version of the registered model")] = None,
    against: Annotated[
        str | None, typer.Option(help="alone: the champion's file of predictions, or its version; else floors alone")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="alone: labeled articles; by default the lake's true labels"),
    ] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="alone: an HTML file for the report")] = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """May the candidate ship? In a loop, or alone on two registered versions or two files of predictions."""
    from pressrun.cli.alone import gate_alone

    verdict = gate_alone(
        pipeline_of(pipeline),
        predictions=predictions,
        candidate=candidate,
        against=against,
        truth=truth,
        report=report,
        environment=environment,
    )
    if verdict is None:
        run_one("gate", pipeline, environment, run, dag, fresh)
    else:
        _leave(verdict)


def drift(
    pipeline: PipelineName = None,
    reference: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="alone: Parquet of predictions when all was well")
    ] = None,
    current: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="alone: Parquet of predictions to judge")
    ] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="alone: an HTML file for the report")] = None,
    environment: EnvironmentName = None,
    run: Run = None,
    dag: Dag = None,
    fresh: Fresh = False,
) -> None:
    """Have articles or predictions moved? In a loop, or alone on two files."""
    from pressrun.cli.alone import drift_alone

    verdict = drift_alone(pipeline_of(pipeline), reference=reference, current=current, report=report)
    if verdict is None:
        run_one("drift", pipeline, environment, run, dag, fresh)
    else:
        _leave(verdict)


def verdicts(
    pipeline: PipelineName = None,
    show: Annotated[str | None, typer.Option(help="one verdict with all its checks, by the start of its id")] = None,
    limit: Annotated[int, typer.Option(min=1, help="the newest so many")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    environment: EnvironmentName = None,
) -> None:
    """What was decided, newest first."""
    from pressrun.config.load import load_environment
    from pressrun.loop import read_verdicts

    place, model = load_environment(environment), pipeline_of(pipeline).model
    found = read_verdicts(place, model)
    if show:
        found = [verdict for verdict in found if verdict.verdict_id.startswith(show)]
    if as_json:
        for verdict in found[:limit]:
            print(verdict.model_dump_json())
    elif show:
        _one(found, show, model)
        tell_overrides(place, found[0])
    else:
        out.print(_table(found[:limit]) if found else f"no verdicts on {model} yet")


def _one(found: list[Verdict], wanted: str, model: str) -> None:
    if len(found) != 1:
        said = "several verdicts start" if found else "no verdict starts"
        raise ValueError(f"{said} with {wanted}; `pressrun verdicts {model}` lists them")
    tell_verdict(found[0], all_checks=True)


def _table(found: list[Verdict]) -> Table:
    from pressrun.verdict.words import weightiest_first

    table = Table("verdict", "at", "of", "decision", "why", box=None, pad_edge=False)
    for verdict in found:
        decision = verdict.decision.value
        weightiest = weightiest_first(verdict)
        why = weightiest[0].reason if weightiest else ""
        at = f"{verdict.at:%Y-%m-%d %H:%M}"
        coloured = f"[{COLOURS[decision]}]{decision}[/]"
        table.add_row(verdict.verdict_id[:8], at, f"{verdict.kind} {headline(verdict)}", coloured, why)
    return table


def _leave(verdict: Verdict) -> None:
    tell_verdict(verdict, all_checks=True)  # It is in no lake: what is left out here could be read nowhere.
    raise typer.Exit(exit_code(verdict))
