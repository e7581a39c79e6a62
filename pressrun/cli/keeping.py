"""`pressrun maintain`, `erase` and `retract`: what keeps the lake small, and takes out what may not stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pressrun.cli.options import EnvironmentName
from pressrun.cli.terminal import err, out

if TYPE_CHECKING:
    from pressrun.step import Progress

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and change nothing")]


def maintain(dry_run: DryRun = False, environment: EnvironmentName = None) -> None:
    """Keeps the lake small: few files, a short log, no old files; never what a registered model's lineage needs."""
    from pressrun.cli.stages import quiet
    from pressrun.config.load import load_environment
    from pressrun.upkeep.maintenance import in_words
    from pressrun.upkeep.maintenance import maintain as maintain_lake

    quiet()
    with progress_bar() as progress:
        done = maintain_lake(load_environment(environment), dry_run=dry_run, progress=progress)
    for line in in_words(done):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on a terminal that somebody looks at; it is gone when the work is done."""
    from rich.progress import Progress as Bar

    with Bar(console=err, transient=True) as bar:
        task = bar.add_task("", total=None)

        def told(message: str, done: int = 0, total: int | None = None) -> None:
            bar.update(task, description=message, completed=done, total=total)

        yield told
