"""The tables of the benchmark of kills, in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kills_lineage import Tally
from rich.console import Console
from rich.table import Table


def rows(tally: Tally) -> list[list[str]]:
    """A row a subject and kind of boundary."""
    return [[subject, boundary, str(count)] for subject, boundary, count in tally.table()]


def show(console: Console, tally: Tally, found: Mapping[str, object]) -> None:
    table = Table("stage or job", "killed", "kills")
    for row in rows(tally):
        table.add_row(*row)
    console.print(table)
    for name, value in found.items():
        console.print(f"{name}: {value}", highlight=False)


def write_page(folder: Path, tally: Tally, found: Mapping[str, object], *, about: str) -> None: ...
