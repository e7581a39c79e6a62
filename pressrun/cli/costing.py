"""`pressrun cost`: what a model version has cost, or a month of a pipeline."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pressrun.cli.options import EnvironmentName, PipelineName, pipeline_of
from pressrun.cli.stages import quiet
from pressrun.cli.terminal import out

if TYPE_CHECKING:
    from pressrun.costs import Item


def cost(
    pipeline: PipelineName = None,
    version: Annotated[str | None, typer.Option(help="of the registered model; by default the month so far")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    environment: EnvironmentName = None,
) -> None:
    """What a model version has cost: tokens, machines, jobs elsewhere, people's minutes, its canary's pods."""
    from pressrun.config.load import load_environment
    from pressrun.costs import of_month
    from pressrun.overview.cost import cost_of
    from pressrun.step import open_lake

    quiet()
    place, loop, now = load_environment(environment), pipeline_of(pipeline), datetime.now(UTC)
    if version:
        items = cost_of(place, loop.model, version)
    else:
        items = of_month(open_lake(place), place, loop.model, now=now)
    if as_json:
        for item in items:
            print(json.dumps(asdict(item)))
        return
    of = f"{loop.model} v{version.removeprefix('v')}" if version else f"{loop.model} in {now:%B %Y}"
    _tell(items, of, budget=None if version else loop.budget_usd_month)


def _tell(items: tuple[Item, ...], of: str, *, budget: float | None) -> None:
    from pressrun.costs import total

    table = Table("stage", "what", "quantity", "", "USD", box=None, pad_edge=False)
    for item in items:
        usd = "not known" if item.usd is None else f"{item.usd:.4f}"
        table.add_row(item.stage, escape(item.what), f"{item.quantity:,.1f}", item.unit, usd)
    out.print(table)
    limit = "" if budget is None else f" of {budget:.2f}"
    out.print(f"{of}: {total(items):.4f} USD{limit}", style="bold", highlight=False)
    if any(item.usd is None for item in items):
        words = "What is not known is not in the sum: give `prices` in the environment's file, and labelers' prices."
        out.print(words, style="dim", highlight=False)
