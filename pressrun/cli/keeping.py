"""`pressrun maintain`, `erase` and `retract`: what keeps the lake small, and takes out what may not stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pressrun.cli.interventions import By, Reason, refuse_blank
from pressrun.cli.options import EnvironmentName, PipelineName
from pressrun.cli.terminal import ExitCode, err, out

if TYPE_CHECKING:
    from pressrun.progress import Progress
    from pressrun.upkeep.receipt import Receipt

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


def erase(
    reader: Annotated[str, typer.Option("--reader", help="the reader's id, as interactions come with it")],
    by: By,
    reason: Reason,
    spool: Annotated[
        list[Path] | None, typer.Option(exists=True, file_okay=False, help="a volume of prediction logs elsewhere")
    ] = None,
    also: Annotated[list[str] | None, typer.Option(help="the root of a copy that lake.mirrors does not name")] = None,
    dry_run: DryRun = False,
    environment: EnvironmentName = None,
) -> None:
    """Erases one reader from the lake, its old versions, what landed and prediction logs; and keeps them out.

    A receipt says what went, and which models were trained on it. It never says who the reader was.
    """
    from pressrun.cli.stages import quiet
    from pressrun.config.load import load_environment
    from pressrun.lake import Lake
    from pressrun.upkeep.erasure import erase as erase_reader
    from pressrun.upkeep.erasure import would_erase

    quiet()
    refuse_blank(by, reason)
    place, spools = load_environment(environment), spool or []
    copies = [Lake(root, place.lake.storage_options) for root in also or []]
    if dry_run:
        found = would_erase(place, reader, spools, copies)
        said = ", ".join(f"{count:,} rows of {name}" for name, count in found.items()) or "nothing leads to this reader"
        out.print(said, markup=False, highlight=False, soft_wrap=True)
        return
    with progress_bar() as progress:
        receipt, file = erase_reader(
            place, reader, actor=by, reason=reason, spools=spools, lakes=copies, progress=progress
        )
    for line in told(receipt):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    out.print(f"receipt {file}", style="dim", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(ExitCode.PASS if receipt.complete else ExitCode.FAIL)


def retract(
    by: By,
    reason: Reason,
    pipeline: PipelineName = None,
    source: Annotated[str | None, typer.Option("--source", help="whose articles are withdrawn")] = None,
    labeler: Annotated[
        str | None, typer.Option("--labeler", help="whose labels are, such as person:ann or llm:model@prompt")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="from when on, such as 2026-01-06T08:00+01:00 (without a zone: this machine's); else all"
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="let it in again")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Withdraws a bad source or labeler: nothing is sampled, labeled, trained, gated or watched with it any more.

    Nothing is deleted. The registered models that stand on it are named, and Slack is told.
    """
    from pressrun.cli.stages import quiet
    from pressrun.config.load import load_environment, load_pipeline, pipeline_files
    from pressrun.upkeep.retraction import retract as retract_it

    quiet()
    refuse_blank(by, reason)
    if (source is None) == (labeler is None):
        raise ValueError("say what is withdrawn: either --source NAME or --labeler NAME")
    place = load_environment(environment)
    mine = [load_pipeline(pipeline)] if pipeline else [load_pipeline(file) for file in pipeline_files()]
    done = retract_it(
        place,
        mine,
        kind="source" if source else "labeler",
        name=str(source or labeler),
        actor=by,
        reason=reason,
        since=_time(since) if since else None,
        undo=undo,
    )
    for one in done:
        what = "is let in again" if one.retraction.undone else "is withdrawn"
        out.print(f"{one.pipeline.model}: {one.retraction} {what}", markup=False, highlight=False, soft_wrap=True)
        for model in one.affected or ("no registered model stands on it",):
            out.print(f"  {model}", markup=False, highlight=False, soft_wrap=True)


def _time(text: str) -> datetime:
    try:
        since = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ValueError(f"--since {text}: write a time such as 2026-01-06T08:00") from None
    if since > datetime.now(UTC):
        raise ValueError(f"--since {text}: {since:%Y-%m-%d} has not come yet, so nothing would be withdrawn")
    return since


def told(receipt: Receipt) -> Iterator[str]:
    """The receipt, a line a place."""
    if not receipt.found:
        yield "nothing led to this reader; whatever comes of them from now on is left out"
    for table in receipt.tables:
        old = f", {table.old_files} of old versions" if table.old_files else ""
        yield f"{table.table} of {table.lake}: {table.rows:,} rows, {table.files} files{old}"
    for one in receipt.files:
        yield f"{one.kind} {one.file}: {one.rows:,} rows{f' LEFT: {one.problem}' if one.problem else ''}"
    for model, rows in receipt.models.items():
        yield f"{model} was trained on {rows:,} of these rows"
    if receipt.found and not receipt.models:
        yield "no registered model was trained on any of it"
    if not receipt.complete:
        yield "something is left: run it again once what is named above is over"


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on a terminal that somebody looks at; it is gone when the work is done."""
    from rich.progress import Progress as Bar

    with Bar(console=err, transient=True) as bar:
        task = bar.add_task("", total=None)

        def told(message: str, done: int = 0, total: int | None = None) -> None:
            bar.update(task, description=message, completed=done, total=total)

        yield told
