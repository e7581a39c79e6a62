"""The demo's articles: the user's own, dealt out as nights, or a simulated newsroom's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pressrun.config.pipeline import Read
from pressrun.demo.nights import Records, data_files, deal, read_records, time_column
from pressrun.simulator import Newsroom, Shift, write_night

# A first night with little to learn from, a second with most of it; the last is for the retrain that drift asks for.
SHARES = (0.10, 0.45, 0.16, 0.16, 0.13)
SEED = 7
SIMULATED_READ: Mapping[str, Any] = {"format": "jsonl"}


@dataclass(frozen=True, kw_only=True)
class Stock:
    """Where articles come from, in words, and how a night of them lands; `read` overrides the pipeline's mapping."""

    described: str
    synthetic: bool
    files: Sequence[Records]
    dealt: Sequence[Sequence[Sequence[object]]]
    newsroom: Newsroom | None = None
    read: Mapping[str, Any] | None = None

    def land(self, night: int, *, landing: Path) -> int:
        """Puts the articles of `night` (from 1) into the landing folder; returns how many there are."""
        landing.mkdir(parents=True, exist_ok=True)
        if self.newsroom is not None:
            written = write_night(self.newsroom, night, out=landing)
            return sum(1 for _ in written.articles.open())
        for number, (records, nights) in enumerate(zip(self.files, self.dealt, strict=True)):
            suffix = "parquet" if records.format == "parquet" else records.format
            records.write(nights[night - 1], landing / f"night-{night:03d}-{number}.{suffix}")
        return sum(len(nights[night - 1]) for nights in self.dealt)


def users_stock(data: Path, *, read: Read) -> Stock:
    """The user's files below `data`, read as the pipeline says. Raises ValueError when none can be read."""
    files = [read_records(path, read=read) for path in data_files(data, format=read.format)]
    when = time_column(read)
    order = "nights follow the articles' times" if when is not None else "no times given: nights are a staged order"
    total = sum(len(records.rows) for records in files)
    return Stock(
        described=f"your {total:,} articles from {data} ({order})",
        synthetic=False,
        files=files,
        dealt=[deal(records, shares=SHARES, time_column=when) for records in files],
    )


def simulated_stock(*, articles_per_night: int = 900, shift: Shift | None = None) -> Stock:
    """A simulated newsroom's nights, the same each time."""
    newsroom = Newsroom(seed=SEED, nights=len(SHARES), articles_per_night=articles_per_night, shift=shift)
    return Stock(
        described=(
            f"a simulated newsroom, {articles_per_night * len(SHARES):,} synthetic articles (yours: PRESSRUN_DATA=DIR)"
        ),
        synthetic=True,
        files=(),
        dealt=(),
        newsroom=newsroom,
        read=SIMULATED_READ,
    )
