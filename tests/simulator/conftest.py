"""Worlds as they were played, with what readers saw joined to the truth about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.simulator import Newsroom, SimulatedNight, simulate

Play = Callable[[Newsroom], "Played"]


@dataclass(frozen=True, kw_only=True)
class Played:
    """`shown` has a row an impression with its truth, `slates` and `articles` are the truth about those.

    `landed` are the articles as Pressrun gets them. Each has the `night` of the file it came from.
    """

    files: tuple[SimulatedNight, ...]
    shown: pd.DataFrame
    slates: pd.DataFrame
    articles: pd.DataFrame
    landed: pd.DataFrame


def play(newsroom: Newsroom, folder: Path) -> Played:
    files = simulate(newsroom, out=folder / "landing", truth=folder / "truth")
    truth = _read(sorted((folder / "truth").glob("*.parquet"))).drop(columns=["slate_id", "night", "synthetic"])
    return Played(
        files=files,
        shown=_read(file.impressions for file in files).merge(truth, on="impression_id", validate="one_to_one"),
        slates=_read(sorted((folder / "truth" / "slates").iterdir())),
        articles=_read(sorted((folder / "truth" / "articles").iterdir())),
        landed=_landed(file for file in files if file.delivered),
    )


def _read(paths: Iterable[Path]) -> pd.DataFrame:
    tables = [(path, pq.read_table(path)) for path in paths]
    numbered = [t.append_column("night", pa.array([int(path.stem[-3:])] * len(t), pa.int64())) for path, t in tables]
    return pa.concat_tables(numbered).to_pandas()


def _landed(files: Iterable[SimulatedNight]) -> pd.DataFrame:
    return pd.DataFrame([json.loads(row) | {"night": file.night} for file in files for row in file.articles.open()])


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Plays a newsroom, each once."""
    known: dict[str, Played] = {}

    def once(newsroom: Newsroom) -> Played:
        name = repr(newsroom)
        if name not in known:
            known[name] = play(newsroom, tmp_path_factory.mktemp(newsroom.world.name))
        return known[name]

    return once


@pytest.fixture(scope="session")
def steady(played: Play) -> Played:
    """Eight ordinary nights: about 24,000 impressions."""
    return played(Newsroom(nights=8, articles_per_night=300))
