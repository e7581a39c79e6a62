"""Draws docs/pictures/simulator-*.png from a simulated year, written to a folder that is removed afterwards.

uv run python docs/draw_simulator.py [--articles 300]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from rich.progress import track

from pressrun.simulator import TOPICS, Newsroom, SimulatedNight, nights_of, world_named

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.dates import DateFormatter

PICTURES = Path(__file__).parent / "pictures"
COLOURS = ("#4c78a8", "#54a24b", "#e45756", "#b279a2")
BREAKING = "#222222"
YEAR = Newsroom(nights=365, start=datetime(2026, 1, 1, tzinfo=UTC), world=world_named("year"))


@dataclass(frozen=True, kw_only=True)
class Night:
    """What the pictures need of a night: shares of its articles by topic, and sums by position of what was shown."""

    topics: np.ndarray
    breaking: float
    shown: pd.DataFrame


def one_night(files: SimulatedNight) -> Night:
    assert files.truth is not None
    articles = pq.read_table(files.truth.parent / "articles" / files.truth.name).to_pandas()
    shown = pq.read_table(files.impressions, columns=["impression_id", "position", "clicked"]).to_pandas()
    truth = pq.read_table(files.truth, columns=["p_click", "is_bot"]).to_pandas()
    breaks = articles.event.fillna("").str.startswith("breaking")
    return Night(
        topics=articles[~breaks].topic.value_counts().reindex(TOPICS).to_numpy() / len(articles),
        breaking=breaks.mean(),
        shown=pd.concat([shown, truth], axis=1).groupby("position")[["clicked", "p_click"]].agg(["sum", "size"]),
    )


def draw_topics(nights: list[Night], path: Path) -> None:
    """Shares of topics over the year, a week's mean; breaking stories by night; what happens, named."""
    days = pd.date_range(YEAR.start.date(), periods=len(nights))
    shares = pd.DataFrame([night.topics for night in nights], index=days, columns=TOPICS)
    figure, axes = plt.subplots(figsize=(11, 4.2), layout="constrained")
    for topic, colour in zip(TOPICS, COLOURS, strict=True):
        axes.plot(days, shares[topic].rolling(7, center=True, min_periods=4).mean(), color=colour, label=topic)
    axes.fill_between(days, [night.breaking for night in nights], color=BREAKING, alpha=0.5, label="breaking")
    for night, name in happenings():
        axes.axvline(days[night - 1], color="#999999", linewidth=0.8, linestyle=":")
        axes.annotate(name, (days[night - 1], 0.54), rotation=90, fontsize=8, color="#555555", ha="right", va="top")
    axes.set(ylabel="share of the night's articles", ylim=(0, 0.55), xlim=(days[0], days[-1]))
    axes.xaxis.set_major_formatter(DateFormatter("%b"))
    axes.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    save(figure, path)


def happenings() -> Iterable[tuple[int, str]]:
    world = YEAR.world
    yield from ((night, "no feed") for night in world.feed.outages)
    if world.redesign:
        yield world.redesign.night, "redesign"
    if world.bots:
        yield world.bots.first, "bots, 10 nights"
    if world.bad_source:
        yield world.bad_source.night, "a source goes bad"


def draw_positions(nights: list[Night], path: Path) -> None:
    """Clicks by position before and after the redesign, beside what the truth says."""
    assert YEAR.world.redesign
    cut = YEAR.world.redesign.night - 1
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for part, name, colour in ((nights[:cut], "before", COLOURS[0]), (nights[cut:], "after", COLOURS[2])):
        total = sum((night.shown for night in part[1:]), part[0].shown)
        rate = total["clicked"]["sum"] / total["clicked"]["size"]
        noise = 1.96 * np.sqrt(rate * (1 - rate) / total["clicked"]["size"])
        truth = total["p_click"]["sum"] / total["p_click"]["size"]
        axes.errorbar(rate.index, rate, noise, fmt="o", color=colour, capsize=3, label=f"clicks {name} the redesign")
        axes.plot(truth.index, truth, color=colour, linewidth=1, label=f"mean p_click {name}")
    axes.set(xlabel="position (0 is the top)", ylabel="share of impressions clicked", ylim=(0, None))
    axes.legend(frameon=False)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    figure.text(0.995, 0.005, "synthetic", ha="right", va="bottom", fontsize=7, color="#777777")
    figure.savefig(path, dpi=110)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=300, help="a night")
    given = parser.parse_args()
    newsroom = replace(YEAR, articles_per_night=given.articles)
    with tempfile.TemporaryDirectory() as folder:
        written = nights_of(newsroom, out=Path(folder) / "landing", truth=Path(folder) / "truth")
        nights = [one_night(files) for files in track(written, "a year", total=newsroom.nights)]
    draw_topics(nights, PICTURES / "simulator-topics.png")
    draw_positions(nights, PICTURES / "simulator-positions.png")


if __name__ == "__main__":
    main()
