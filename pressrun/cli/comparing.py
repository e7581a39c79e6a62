"""`pressrun compare`: what differs between two models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from pressrun.cli.options import EnvironmentName, PipelineName, pipeline_of
from pressrun.cli.stages import quiet
from pressrun.cli.terminal import out

if TYPE_CHECKING:
    from pressrun.overview.compare import Compared

_VERSION = "a registered version: 3 or v3"


def compare(
    one: Annotated[str, typer.Argument(help=_VERSION)],
    other: Annotated[str, typer.Argument(help=_VERSION)],
    pipeline: PipelineName = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    environment: EnvironmentName = None,
) -> None:
    """What differs between two models' runs: data, labels, settings, code, scores, and what the judges said."""
    from pressrun.config.load import load_environment
    from pressrun.overview.compare import compare as compared

    quiet()
    found = compared(load_environment(environment), pipeline_of(pipeline).model, one, other)
    if as_json:
        print(json.dumps(_document(found)))
        return
    _tell(found)


def _tell(found: Compared) -> None:
    names = [f"v{side.version}" for side in (found.one, found.other)]
    for name, side in zip(names, (found.one, found.other), strict=True):
        out.print(f"[bold]{name}[/]  trained {side.trained.at:%Y-%m-%d %H:%M} by {escape(side.trained.run)}")
    out.print()
    _print(Table("made from", ""), [(change.what, _words(change.changed, change.words)) for change in found.changes])
    if found.settings is None:
        out.print("settings: one of the two runs kept none; above are the sections that differ", style="dim")
    elif found.settings:
        _print(Table("setting", *names), [(one.key, _plain(one.one), _plain(one.other)) for one in found.settings])
    rows = [(f"{row.where}  {row.what}", row.one, _marked(row.one, row.other)) for row in found.measured]
    _print(Table("result", *names), rows)


def _print(table: Table, rows: Sequence[tuple[str, ...]]) -> None:
    table.box, table.pad_edge = None, False
    for row in rows:
        table.add_row(*row)
    out.print(table)
    out.print()


def _words(changed: bool | None, words: str) -> str:
    return f"[bold]{escape(words)}[/]" if changed else f"[dim]{escape(words)}[/]"


def _plain(value: Any) -> str:
    return "–" if value is None else escape(str(value))


def _marked(one: str, other: str) -> str:
    return escape(other) if one == other else f"[bold]{escape(other)}[/]"


def _document(found: Compared) -> dict[str, Any]:
    return {
        "one": {"version": found.one.version, "run": found.one.trained.run},
        "other": {"version": found.other.version, "run": found.other.trained.run},
        "changes": [vars(change) for change in found.changes],
        "settings": None if found.settings is None else [vars(setting) for setting in found.settings],
        "results": [vars(row) for row in found.measured],
    }
