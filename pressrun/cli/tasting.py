"""What `pressrun try` shows while it runs and when it has ended."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from pressrun.cli.options import pipeline_of
from pressrun.cli.terminal import decided, out, tell_verdict

if TYPE_CHECKING:
    from pressrun.lake import StageResult
    from pressrun.progress import Progress
    from pressrun.verdict import Verdict

DEMO_ADDS = (
    "`make demo` adds the rest: Airflow, MLflow and a router with traffic; a canary, a promotion, a model stopped at "
    "the gate, a rollback, and drift that starts a retrain."
)


def show_taste(pipeline: str | None, *, data: Path | None, keep: Path | None) -> Verdict | None:
    """Runs the taste, live on the terminal; returns the last stage's verdict."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    loop, began = pipeline_of(pipeline), time.monotonic()
    where = f"your articles in {data}" if data else "simulated articles (all of it synthetic)"
    out.print(f"[bold]Pressrun[/] · {loop.model} · {escape(where)}\n", highlight=False)
    board = _Board()
    with Live(board.table(), console=out, refresh_per_second=8, get_renderable=board.table):
        from pressrun.taste import taste

        tasted = taste(loop, data=data, keep=keep, starting=board.starting, finished=board.finished)
    verdict = list(tasted.results.values())[-1].verdict
    out.print()
    if verdict:
        tell_verdict(verdict, home=tasted.home)
    took = time.monotonic() - began
    out.print(f"\n{took:.0f} s; all that was made is in {tasted.home}. {DEMO_ADDS}", highlight=False)
    return verdict


@dataclass(kw_only=True)
class _Row:
    name: str
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    text: str = "starting"
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))


@dataclass(kw_only=True)
class _Board:
    """A line a stage: its name, how far it is, how long it took."""

    rows: list[_Row] = field(default_factory=list)

    def starting(self, name: str) -> Progress:
        row = _Row(name=name)
        self.rows.append(row)

        def tell(message: str, done: int = 0, total: int | None = None) -> None:
            row.text = escape(f"{message} {done:,}/{total:,}" if total else message)

        return tell

    def finished(self, name: str, result: StageResult) -> None:
        row = self.rows[-1]
        from pressrun.results import in_words
        from pressrun.verdict.render import why

        row.seconds = time.monotonic() - row.began
        judged = result.verdict
        verdict = f"\n{decided(judged.decision.value)} {escape(why(judged))}" if judged else ""
        row.text = escape(in_words(result)) + verdict

    def table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        for width, ratio in ((1, None), (7, None), (None, 1), (5, None)):
            table.add_column(width=width, ratio=ratio, overflow="fold")
        for row in self.rows:
            running = row.seconds is None
            took = time.monotonic() - row.began if row.seconds is None else row.seconds
            table.add_row(row.spinner if running else "[green]✓[/]", row.name, row.text, f"{took:.0f} s")
        return table
