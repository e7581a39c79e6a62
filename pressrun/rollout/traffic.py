"""Who answers a request, and what is counted of it. Pure but for its counters; the router calls it."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from pressrun.agreement import Compared
from pressrun.rollout.types import CANDIDATE, Traffic
from pressrun.rollout.windows import ArmWindow, Window
from pressrun.stats.sequential import BOUNDS


def bucket_of(*, given: str | None, reader: str | None, generation: int) -> float:
    """A number from 0 to below 100 that stays the same for a reader during one rollout and changes with the next.

    `given` is the client's own bucket, 0 to 99; else `reader` is hashed; without either it is random.
    """
    if given is not None and given.isascii() and given.isdigit():
        return float((int(given[:9]) + 37 * generation) % 100)
    if reader:
        digest = hashlib.sha256(f"{generation}/{reader}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 * 100
    return random.random() * 100


def pick(weights: Mapping[str, int], bucket: float) -> str | None:
    """The arm for a bucket. The candidate's buckets start at 0, so a reader who has it keeps it as its share grows."""
    reached = 0
    for arm in sorted(weights, key=lambda name: (name != CANDIDATE, name)):
        reached += weights[arm]
        if bucket < reached:
            return arm
    return None


@dataclass
class ArmCounts:
    """One arm's counts; `latencies` by bucket of `BOUNDS`, of answers only."""

    requests: int = 0
    errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, *, failed: bool, milliseconds: float) -> None:
        self.requests += 1
        self.errors += failed
        if not failed:
            bucket = bisect_left(BOUNDS, milliseconds)
            self.latencies[bucket] = self.latencies.get(bucket, 0) + 1

    def frozen(self) -> ArmWindow:
        return ArmWindow(requests=self.requests, errors=self.errors, latencies=dict(self.latencies))


@dataclass
class Counts:
    """The window under way and the present step of each arm, and the totals of the rollout."""

    arms: dict[str, ArmCounts] = field(default_factory=dict)
    pairs: int = 0
    disagreements: int = 0
    total: dict[str, int] = field(default_factory=dict)
    total_errors: dict[str, int] = field(default_factory=dict)
    total_pairs: int = 0
    retried: int = 0
    lost: int = 0
    source: str = field(default_factory=lambda: f"router-{uuid4().hex[:12]}")
    sequence: int = 0
    open: dict[str, ArmCounts] = field(default_factory=dict)
    open_pairs: int = 0
    open_disagreements: int = 0
    open_declined: int = 0

    def arm(self, name: str) -> ArmCounts:
        return self.arms.setdefault(name, ArmCounts())

    def answered(self, arm: str, *, failed: bool, milliseconds: float) -> None:
        for counts in (self.arm(arm), self.open.setdefault(arm, ArmCounts())):
            counts.add(failed=failed, milliseconds=milliseconds)
        self.total[arm] = self.total.get(arm, 0) + 1
        self.total_errors[arm] = self.total_errors.get(arm, 0) + failed

    def compared(self, both: Compared) -> None:
        self.pairs += both.pairs
        self.total_pairs += both.pairs
        self.open_pairs += both.pairs
        self.disagreements += both.differ
        self.open_disagreements += both.differ
        self.open_declined += both.declined

    @property
    def open_requests(self) -> int:
        """How many requests the window under way has, of all arms."""
        return sum(counts.requests for counts in self.open.values())

    def cut(self) -> Window:
        """Ends the window under way, and begins the next."""
        self.sequence += 1
        window = Window(
            source=self.source, sequence=self.sequence, arms={arm: one.frozen() for arm, one in self.open.items()},
            pairs=self.open_pairs, disagreements=self.open_disagreements, declined=self.open_declined,
        )  # fmt: skip
        self._begin_window()
        return window

    def next_step(self) -> None:
        """Starts the counts of a step; what was counted while nothing was measured belongs to no window."""
        self._begin_window()
        self.arms = {}
        self.pairs = self.disagreements = 0

    def _begin_window(self) -> None:
        self.open, self.open_pairs, self.open_disagreements, self.open_declined = {}, 0, 0, 0

    def summary(self) -> Traffic:
        return Traffic(
            requests=dict(self.total), errors=dict(self.total_errors),
            retried=self.retried, lost=self.lost, pairs=self.total_pairs,
        )  # fmt: skip
