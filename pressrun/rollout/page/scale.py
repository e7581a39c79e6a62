"""From values to percent of a plot's width and height, and the words on its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, log

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TICKS = 7


@dataclass(frozen=True, kw_only=True)
class Times:
    """A time axis from `begin` to `end`."""

    begin: datetime
    end: datetime

    def at(self, moment: datetime) -> float:
        """Percent from the left; what is outside stands at the edge."""
        whole = max((self.end - self.begin).total_seconds(), 0.001)
        return min(max((moment - self.begin).total_seconds() / whole * 100, 0.0), 100.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Round times of day in UTC with their places."""
        whole = (self.end - self.begin).total_seconds()
        step = next((step for step in _STEPS if whole / step <= _MOST_TICKS), ceil(whole / 86400 / _MOST_TICKS) * 86400)
        first = ceil(self.begin.timestamp() / step) * step
        form = "%H:%M:%S" if step < 60 else "%H:%M" if whole < 86400 else "%d %b %H:%M"
        moments = [datetime.fromtimestamp(first + index * step, UTC) for index in range(int(whole // step) + 2)]
        return [(self.at(moment), f"{moment:{form}}") for moment in moments if moment <= self.end]


@dataclass(frozen=True, kw_only=True)
class Values:
    """A vertical axis from `least` to `most`, of logarithms where it is `logarithmic`."""

    least: float
    most: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Percent from the top; what is outside stands at the edge."""
        low, high, here = (self._of(one) for one in (self.least, self.most, value))
        return min(max((high - here) / (high - low) * 100, 0.0), 100.0)

    def _of(self, value: float) -> float:
        return log(max(value, 1e-9)) if self.logarithmic else value


def values_around(found: Sequence[float], *, logarithmic: bool) -> Values:
    """An axis on which all of these have some room; `found` holds two different values at least."""
    least, most = min(found), max(found)
    if logarithmic:
        room = (most / least) ** 0.12
        return Values(least=least / room, most=most * room, logarithmic=True)
    room = (most - least) * 0.12
    return Values(least=least - room, most=most + room)


def lasting(length: timedelta) -> str:
    """`45 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(round(length.total_seconds()), 0)
    for size, word, small, less in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // small
            return f"{seconds // size} {word}" + (f" {rest} {less}" if rest else "")
    return f"{seconds} s"
