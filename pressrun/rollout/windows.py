"""What one sender counted of a rollout's arms in one short time, and sums of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pressrun.stats.sequential import BOUNDS

OURS, THEIRS, FRESH = "candidate", "champion", "baseline"
ERRORS, LATENCY, DISAGREEMENT, ABSTENTION = "error_rate", "latency_ratio", "disagreement", "abstention"
CLICKS = "clicks"
# Of pairs: answers of both models to the same article.
PAIRED = (DISAGREEMENT, ABSTENTION)
Floats = NDArray[np.float64]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Count(_Frozen):
    """So many bad ones of so many."""

    bad: int = Field(default=0, ge=0)
    of: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_a_part(self) -> Count:
        if self.bad > self.of:
            raise ValueError(f"{self.bad} of {self.of} is more than all; a counter was read apart from its total")
        return self

    def plus(self, other: Count) -> Count:
        return Count(bad=self.bad + other.bad, of=self.of + other.of)

    @property
    def share(self) -> float | None:
        return self.bad / self.of if self.of else None


class ArmWindow(_Frozen):
    """One arm in one window. `latencies` counts answers by bucket of the window's bounds; `outcomes` are a product's
    own counts by name, as what went badly: impressions that nobody clicked."""

    requests: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    latencies: dict[int, int] = Field(default_factory=dict)
    outcomes: dict[str, Count] = Field(default_factory=dict)

    def count(self, metric: str) -> Count:
        if metric == ERRORS:
            return Count(bad=self.errors, of=self.requests)
        return self.outcomes.get(metric, Count())


class Window(_Frozen):
    """What `source` counted as its number `sequence`. `bounds` are the buckets' upper bounds in milliseconds.

    Where there is a fresh baseline beside the candidate, it stands for the champion. `concurrent` is false where the
    champion's part is of an earlier time. Of `pairs` of answers by both models to the same article, `disagreements`
    name different topics, and in `declined` only the candidate names none. `problem` says why the numbers are no
    evidence: such a window is shown, and never counts as good.
    """

    source: str
    sequence: int
    concurrent: bool = True
    arms: dict[str, ArmWindow] = Field(default_factory=dict)
    bounds: tuple[float, ...] = BOUNDS
    pairs: int = Field(default=0, ge=0)
    disagreements: int = Field(default=0, ge=0)
    declined: int = Field(default=0, ge=0)
    problem: Literal["missing", "stale", "reset"] | None = None

    def arm(self, name: str) -> ArmWindow:
        """An arm's part; the baseline's for the champion where there is one."""
        standing = FRESH if name == THEIRS and FRESH in self.arms else name
        return self.arms.get(standing, ArmWindow())

    def paired(self, metric: str) -> Count:
        """One of the `PAIRED` metrics."""
        return Count(bad=self.disagreements if metric == DISAGREEMENT else self.declined, of=self.pairs)


class Tally(_Frozen):
    """Sums over windows: counts by metric, and latencies by bucket of `BOUNDS` whatever the senders', of each arm."""

    windows: int = 0
    counts: dict[str, dict[str, Count]] = Field(default_factory=dict)
    latencies: dict[str, dict[int, int]] = Field(default_factory=dict)

    def count(self, metric: str, arm: str) -> Count:
        return self.counts.get(metric, {}).get(arm, Count())

    def plus(self, window: Window, metrics: Mapping[str, float]) -> Tally:
        counts = {
            metric: {arm: self.count(metric, arm).plus(_count(window, metric, arm)) for arm in (OURS, THEIRS)}
            for metric in metrics
        }
        latencies = {arm: _added(self.latencies.get(arm, {}), _finely(window, arm)) for arm in (OURS, THEIRS)}
        return Tally(windows=self.windows + 1, counts=counts, latencies=latencies)


def histogram(latencies: Mapping[int, int], bounds: tuple[float, ...]) -> Floats:
    """The counts by bucket as an array; what lies beyond the bounds is in the last."""
    found = np.zeros(len(bounds) + 1)
    for bucket, number in latencies.items():
        found[min(bucket, len(bounds))] += number
    return found


def _count(window: Window, metric: str, arm: str) -> Count:
    if metric in PAIRED:
        return window.paired(metric) if arm == OURS else Count()
    return window.arm(arm).count(metric)


def rebucketed(latencies: Mapping[int, int], bounds: tuple[float, ...]) -> Floats:
    """Latencies by bucket of `BOUNDS` as an array of a sender's buckets."""
    found = histogram(latencies, BOUNDS)
    if bounds == BOUNDS:
        return found
    # A latency of a coarse bucket was put where that bucket ends, so a hair above a fine bucket's lower end it is back.
    lower = np.concatenate([[0.0], BOUNDS]) * (1 + 1e-9)
    places = np.searchsorted(np.asarray(bounds), lower, side="left")
    return np.asarray(np.bincount(places, found, minlength=len(bounds) + 1), np.float64)


def _finely(window: Window, arm: str) -> dict[int, int]:
    """An arm's latencies by bucket of `BOUNDS`, each where its own bucket ends."""
    latencies, found = window.arm(arm).latencies, dict[int, int]()
    if window.bounds == BOUNDS:
        return latencies
    ends = (*window.bounds, window.bounds[-1] * 1.1)
    for bucket, number in latencies.items():
        fine = bisect_left(BOUNDS, ends[min(bucket, len(window.bounds))])
        found[fine] = found.get(fine, 0) + number
    return found


def _added(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {bucket: one.get(bucket, 0) + other.get(bucket, 0) for bucket in sorted({*one, *other})}
