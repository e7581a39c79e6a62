"""Where readers are outside of the lake: files that landed, prediction logs on their way, staging folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pressrun.config.environment import Environment
from pressrun.rollout.shipping import ABANDONED_SECONDS
from pressrun.serving.log import OPEN
from pressrun.upkeep.landed import Place, landed
from pressrun.upkeep.scrub import Scrub, remove_leftovers, scrub_lines, scrub_parquet

LOG, STAGING = "prediction log", "staging"


@dataclass(frozen=True, kw_only=True)
class Scrubbed:
    """How many rows went from a file, or why it could not be looked through."""

    kind: str
    file: str
    rows: int
    problem: str = ""


def places(environment: Environment, spools: Iterable[Path] = (), *, now: float) -> list[Place]:
    """Every file that the environment and its pipelines name; `spools` are folders beside the environment's own."""
    return [*landed(environment), *_logs(environment, spools, now), *_staged(environment)]


def look_through(found: Iterable[Place], scrub: Scrub, *, change: bool) -> Iterator[Scrubbed]:
    """A word a file that holds rows, that cannot be read, or that a server writes to.

    With `change` a file is left without its rows once its word was taken: who writes it down first loses none of it.
    """
    for place in found:
        try:
            rows = place.scrub(place.file, scrub, change=False)
            if not rows:
                continue
            busy = "a server writes to it; these lines do not get into the lake" if place.busy else ""
            yield Scrubbed(kind=place.kind, file=str(place.file), rows=rows, problem=busy)
            if change and not place.busy:
                place.scrub(place.file, scrub, change=True)
        except FileNotFoundError:
            continue  # Shipped, or read and moved by somebody meanwhile.
        except (OSError, ValueError, pa.ArrowException) as error:
            yield Scrubbed(kind=place.kind, file=str(place.file), rows=0, problem=f"not looked through: {error}"[:600])


def _logs(environment: Environment, spools: Iterable[Path], now: float) -> Iterator[Place]:
    home = Path(environment.home)
    folders = [*home.glob("rollouts/*/spool"), *home.glob("spool/*"), *home.glob("spool")]
    folders += [folder for spool in spools for folder in (spool, *spool.glob("*"))]
    for folder in dict.fromkeys(folder for folder in folders if folder.is_dir()):
        remove_leftovers(folder)
        for file in sorted(folder.glob("*.jsonl*")):
            yield Place(kind=LOG, file=file, scrub=scrub_lines, busy=_written_to(file, now))


def _written_to(file: Path, now: float) -> bool:
    try:
        return file.suffix == OPEN and file.stat().st_mtime > now - ABANDONED_SECONDS
    except FileNotFoundError:
        return False


def _staged(environment: Environment) -> Iterator[Place]:
    folder = Path(environment.home) / "staging"
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if file.is_file() and file.suffix in (".parquet", ".jsonl"):
            yield Place(kind=STAGING, file=file, scrub=scrub_parquet if file.suffix == ".parquet" else scrub_lines)
