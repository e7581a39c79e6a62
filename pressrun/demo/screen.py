"""What the demo shows while it runs: one line a stage, with the numbers that it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pressrun.lake import StageResult
from pressrun.verdict import Verdict
from pressrun.verdict.render import COLOURS, summary


class Screen:
    """Prints the story; `waiting` shows a spinner with the seconds that something takes."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def line(self, name: str, text: str, *, seconds: float | None = None) -> None:
        took = f"  [dim]{seconds:.0f} s[/dim]" if seconds is not None else ""
        self.console.print(f"  [cyan]{name:<9}[/cyan]{text}{took}")

    def stage(self, result: StageResult, *, seconds: float | None = None) -> None:
        """One finished stage: its verdict in colour where it has one, else its facts."""
        text = coloured(result.verdict) if result.verdict else facts(result)
        reused = f"  [dim]reused from {result.reused_from}[/dim]" if result.reused_from else ""
        self.line(result.stage, f"{text}{reused}", seconds=seconds)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        with self.console.status(f"  {text}"):
            yield

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Every verdict of the demo, oldest first."""
        table = Table(title="Verdicts", title_justify="left")
        for heading in ("when", "what", "model", "decision", "why"):
            table.add_column(heading, overflow="fold")
        for verdict in verdicts:
            colour = COLOURS[verdict.decision]
            decision = f"[{colour}]{verdict.decision.value}[/{colour}]"
            version = f"v{verdict.model_version}" if verdict.model_version else ""
            table.add_row(f"{verdict.at:%H:%M:%S}", verdict.kind, version, decision, escape(summary(verdict)))
        self.console.print(table)


def coloured(verdict: Verdict) -> str:
    """The verdict's one line, its decision in colour."""
    colour = COLOURS[verdict.decision]
    return f"[{colour}]{escape(summary(verdict))}[/{colour}]"


def facts(result: StageResult) -> str:
    """The result's datasets by their rows, then its plain facts."""
    rows = [f"{dataset.rows:,} {name}" for name, dataset in result.datasets.items()]
    plain = [f"{name} {value}" for name, value in result.facts.items() if isinstance(value, (int, float, str))]
    return escape(", ".join([*rows, *plain]))
