"""`pressrun rerun`: a part of a past night once more, beside what it came to then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pressrun.cli.options import EnvironmentName, PipelineName, pipeline_of
from pressrun.cli.stages import quiet
from pressrun.cli.terminal import out, tell_progress

if TYPE_CHECKING:
    from pressrun.upkeep.rerun import Rerun


def rerun(
    run: Annotated[str, typer.Argument(help="a past run's id, or dag_id/run_id")],
    pipeline: PipelineName = None,
    begin: Annotated[str, typer.Option("--from", help="sample, label, train or gate")] = "train",
    only: Annotated[bool, typer.Option("--only", help="that stage alone; else to the gate")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Repeats a part of a past night on what was known then, with today's settings and code, in a lake of its own.

    Nothing that serves, is registered or was committed is touched. An LLM labeler is asked, and paid, again.
    """
    from pressrun.config.load import load_environment
    from pressrun.upkeep.rerun import rerun as repeat

    quiet()
    done = repeat(
        load_environment(environment), pipeline_of(pipeline), run, begin=begin, only=only, progress=tell_progress
    )
    _tell(done)


def _tell(done: Rerun) -> None:
    from pressrun.overview.compare import measured
    from pressrun.results import in_words

    out.print(f"[bold]{escape(done.run)}[/] on what was known at {done.known:%Y-%m-%d %H:%M} UTC", highlight=False)
    for name, result in done.now.items():
        then = done.then.get(name)
        out.print(f"{name:<8}then  {escape(in_words(then)) if then else '–'}", highlight=False, soft_wrap=True)
        out.print(f"{'':<8}now   {escape(in_words(result))}", highlight=False, soft_wrap=True)
    table = Table("result", "then", "now", box=None, pad_edge=False)
    for row in measured(done.then, done.now):
        changed = escape(row.other) if row.one == row.other else f"[bold]{escape(row.other)}[/]"
        table.add_row(f"{row.where}  {escape(row.what)}", escape(row.one), changed)
    out.print()
    out.print(table)
    own = Path(done.lake).is_relative_to(done.home)
    where = f"Its lake, models and reports are in {done.home}; remove the folder when you are done."
    beside = f"Its lake is {done.lake}, its models and reports are in {done.home}; remove both when you are done."
    out.print(f"\n{where if own else beside}", style="dim", highlight=False, soft_wrap=True)
