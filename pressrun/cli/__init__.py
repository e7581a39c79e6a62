"""`pressrun` on the command line. Commands import what they need when they run: `pressrun --help` stays quick."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pressrun.cli import (
    canary,
    clusters,
    comparing,
    costing,
    examining,
    interventions,
    judges,
    keeping,
    machine,
    mirroring,
    people,
    rerunning,
    simulating,
    stages,
)
from pressrun.cli.terminal import EXIT_CODES, FriendlyGroup

app = typer.Typer(
    name="pressrun",
    cls=FriendlyGroup,
    help="Continuous training for a newsroom's models.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
LOOP, JUDGES, HERE, CONFIG = "One stage of a loop", "Judges", "On this machine", "Config files"
PEOPLE, KEEPING = "A person decides", "Keeping the lake"


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", envvar="PRESSRUN_DEBUG", help="show tracebacks")] = False,
) -> None:
    """Continuous training for a newsroom's models."""
    if any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        from pressrun.tracing import export

        export("pressrun")


app.command("try", rich_help_panel=HERE)(machine.try_)
app.command(rich_help_panel=HERE)(machine.demo)
app.command(rich_help_panel=HERE)(simulating.simulate)
app.command(rich_help_panel=HERE)(machine.serve)
app.command(rich_help_panel=HERE)(machine.supervise)
app.command(rich_help_panel=HERE)(clusters.controller)
app.command(rich_help_panel=HERE)(clusters.ship)
app.command(rich_help_panel=LOOP)(stages.ingest)
app.command(rich_help_panel=LOOP)(stages.sample)
app.add_typer(people.label_app, name="label", rich_help_panel=LOOP)
app.command(rich_help_panel=LOOP)(stages.train)
app.command(rich_help_panel=LOOP, epilog=EXIT_CODES)(judges.gate)
app.command(rich_help_panel=LOOP)(stages.rollout)
app.command(rich_help_panel=JUDGES, epilog=EXIT_CODES)(judges.drift)
app.command(rich_help_panel=JUDGES, epilog=EXIT_CODES)(canary.canary)
app.command(rich_help_panel=JUDGES)(judges.verdicts)
app.command(rich_help_panel=JUDGES)(comparing.compare)
app.command(rich_help_panel=JUDGES)(rerunning.rerun)
app.command(rich_help_panel=JUDGES)(costing.cost)
app.command(rich_help_panel=PEOPLE)(interventions.override)
app.command(rich_help_panel=PEOPLE)(interventions.pause)
app.command(rich_help_panel=PEOPLE)(interventions.resume)
app.command(rich_help_panel=PEOPLE)(interventions.promote)
app.command(rich_help_panel=PEOPLE)(interventions.abort)
app.command(rich_help_panel=KEEPING)(keeping.maintain)
app.command(rich_help_panel=KEEPING)(keeping.erase)
app.command(rich_help_panel=KEEPING)(keeping.retract)
app.command(rich_help_panel=KEEPING)(mirroring.mirror)
app.command(rich_help_panel=CONFIG)(machine.check)
app.command(rich_help_panel=CONFIG)(examining.doctor)
app.command(rich_help_panel=CONFIG)(machine.schema)
app.command(rich_help_panel=CONFIG)(machine.requirements)
