"""`pressrun simulate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pressrun.cli.terminal import err, out

if TYPE_CHECKING:
    from pressrun.simulator import Newsroom

# So many nights are told of one by one; of more there is a bar and one line.
_FEW = 14


def simulate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="where the files go, such as a pipeline's landing folder")
    ],
    world: Annotated[str, typer.Option(help="what happens in it; a wrong name prints all there are")] = "steady",
    nights: Annotated[
        int | None,
        typer.Option(min=1, help="by default as many as show the world; the first ones are the same however many"),
    ] = None,
    articles: Annotated[int, typer.Option(min=1, help="a night")] = 1000,
    impressions: Annotated[float, typer.Option(min=0, help="an article")] = 10.0,
    seed: Annotated[int, typer.Option(help="the same seed, the same newsroom")] = 7,
    start: Annotated[
        datetime,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="the first night's day; seasons go by it", show_default="2026-01-05"
        ),
    ] = datetime(2026, 1, 5),  # noqa: DTZ001, typer knows no zones; the simulator's days are UTC's
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write every click's true chance there, outside the first DIR")
    ] = None,
) -> None:
    """Makes up a newsroom's nights to try Pressrun on: articles, and what readers saw of them. All is synthetic."""
    from pressrun.cli.landing import how_to_read
    from pressrun.simulator import Newsroom, world_named

    chosen = world_named(world)
    newsroom = Newsroom(
        seed=seed,
        nights=nights or chosen.nights,
        articles_per_night=articles,
        start=start.replace(tzinfo=UTC),
        world=chosen,
        impressions_per_article=impressions,
    )
    _tell(newsroom, folder, truth)
    _say(f"All of it is synthetic. What readers saw is in {folder / 'interactions'}.")
    out.print(how_to_read(folder), style="dim", markup=False, highlight=False, soft_wrap=True)


def _tell(newsroom: Newsroom, folder: Path, truth: Path | None) -> None:
    """Writes the nights and says so: few one by one, many with a bar."""
    from rich.progress import track

    from pressrun.simulator import nights_of

    written = nights_of(newsroom, out=folder, truth=truth)
    if newsroom.nights <= _FEW:
        for night in written:
            _say(f"night {night.night}  {night.delivered:,} articles in {night.articles}")
    else:
        bar = track(written, newsroom.world.name, total=newsroom.nights, console=err, transient=True)
        _say(f"{newsroom.nights} nights  {sum(night.delivered for night in bar):,} articles in {folder}")
    if truth:
        _say(f"The truth of every click is in {truth}.")


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
