"""What the demo shows while it runs: one line a stage, with the numbers that it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pressrun.lake import StageResult
from pressrun.results import in_words
from pressrun.verdict import Verdict
from pressrun.verdict.render import COLOURS, why

NAME, SECONDS = 10, 6


class Screen:
    """Prints the story; `waiting` shows a spinner with what is waited for."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def line(self, name: str, text: str, *, seconds: float | None = None) -> None:
        """A name, what there is to say of it, and on the right how long it took."""
        took = f"{seconds:.0f} s" if seconds is not None else ""
        self._row(f"[cyan]{name}[/cyan]", text, f"[dim]{took}[/dim]")

    def told(self, parts: Mapping[str, bool]) -> None:
        """Which parts of the story went as they usually do. None is made to: a busy machine may turn a canary back."""
        for part, usual in parts.items():
            mark = "[green]✓[/green]" if usual else "[yellow]otherwise[/yellow]"
            self.line("story", f"{mark} {part}{'' if usual else ': its verdict above says why'}")

    def address(self, name: str, address: str) -> None:
        """An address or a command, in one piece however narrow the terminal is."""
        self.console.print(f"  [cyan]{name:<{NAME}}[/cyan] {address}", soft_wrap=True)

    def stage(self, task: str, result: StageResult, *, seconds: float | None = None) -> None:
        """One finished stage: what it did, and its verdict below where it has one."""
        reused = f"  [dim]reused from {escape(result.reused_from)}[/dim]" if result.reused_from else ""
        self.line(task, f"{escape(in_words(result))}{reused}", seconds=seconds)
        if result.verdict:
            self._row("", _decided(result.verdict), "")

    def message(self, text: str) -> None:
        """What people are told, as they read it."""
        self._row("", f"[magenta]{escape(text)}[/magenta]", "")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        with self.console.status(f"  {text}"):
            yield

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """The verdicts on models and traffic, oldest first; those on batches and labels are counted."""
        shown = [verdict for verdict in verdicts if verdict.model_version]
        others = len(verdicts) - len(shown)
        also = f"; {others} more on batches and labels" if others else ""
        table = Table(title=f"Verdicts on models{also}", title_justify="left", expand=True)
        for heading, wrap in (("when", True), ("what", True), ("model", True), ("decision", True), ("why", False)):
            table.add_column(heading, no_wrap=wrap, overflow="fold")
        for verdict in shown:
            colour = COLOURS[verdict.decision]
            word = Text(verdict.decision.value, style=colour)
            table.add_row(f"{verdict.at:%H:%M:%S}", verdict.kind, f"v{verdict.model_version}", word, Text(why(verdict)))
        self.console.print(table)

    def _row(self, *cells: RenderableType) -> None:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=NAME + 2)
        table.add_column(ratio=1, overflow="fold")
        table.add_column(width=SECONDS, justify="right")
        name, *rest = cells
        table.add_row(f"  {name}", *rest)
        self.console.print(table)


def _decided(verdict: Verdict) -> str:
    colour = COLOURS[verdict.decision]
    return f"[bold {colour}]{verdict.decision.value.upper()}[/bold {colour}] {escape(why(verdict))}"
