"""Counters that others keep, read again and again: what came on since the last reading is a window of counts.

The last reading is kept with the evidence, in one write. So a controller that died goes on where it stood, and what was
read but never written is simply read again.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from pressrun.rollout.windows import ArmWindow, Window
from pressrun.stats.sequential import BOUNDS


class ArmCounters(BaseModel):
    """One arm's counters since their source began; `latencies` are not cumulative, one number a bucket.

    `unanswered` of the `errors` are requests that no server answered at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = 0
    errors: int = 0
    unanswered: int = 0
    latencies: dict[int, int] = Field(default_factory=dict)
    pairs: int = 0
    disagreements: int = 0
    declined: int = 0

    def since(self, earlier: ArmCounters) -> ArmCounters | None:
        """What came on; None where a counter fell, or a part outgrew its whole: then its source began anew between."""
        latencies = {b: n - earlier.latencies.get(b, 0) for b, n in self.latencies.items()}
        lost = any(bucket not in self.latencies for bucket in earlier.latencies)
        came = ArmCounters(
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            unanswered=self.unanswered - earlier.unanswered,
            latencies={bucket: number for bucket, number in latencies.items() if number},
            pairs=self.pairs - earlier.pairs,
            disagreements=self.disagreements - earlier.disagreements,
            declined=self.declined - earlier.declined,
        )
        numbers = (
            came.requests,
            came.errors,
            came.unanswered,
            came.pairs,
            came.disagreements,
            came.declined,
            *latencies.values(),
        )
        parted = (
            came.unanswered <= came.errors <= came.requests and max(came.disagreements, came.declined) <= came.pairs
        )
        return came if parted and not lost and min(numbers) >= 0 else None


class Reading(BaseModel):
    """One reading of a source: the gateway, or one server that shadows. `bounds` are bucket bounds in milliseconds.

    `number` counts the readings that were taken in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    arms: dict[str, ArmCounters] = Field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    number: int = 0


def window_of(now: Reading, before: Reading | None) -> Window | None:
    """What came on between two readings of one source; None for a first reading, and where nothing did.

    Where a counter fell the window says so, and is no evidence.
    """
    if before is None:
        return None
    number = before.number + 1
    if before.bounds and now.bounds != before.bounds:
        return Window(source=now.source, sequence=number, problem="reset")
    came = {arm: counters.since(before.arms.get(arm, ArmCounters())) for arm, counters in now.arms.items()}
    if any(one is None for one in came.values()):
        return Window(source=now.source, sequence=number, problem="reset")
    arms = {arm: one for arm, one in came.items() if one is not None and (one.requests or one.pairs)}
    return _window(now, number, arms) if arms else None


def _window(now: Reading, number: int, arms: Mapping[str, ArmCounters]) -> Window:
    return Window(
        source=now.source,
        sequence=number,
        bounds=now.bounds or BOUNDS,
        arms={
            arm: ArmWindow(requests=one.requests, errors=one.errors, latencies=one.latencies)
            for arm, one in arms.items()
            if one.requests
        },
        pairs=sum(one.pairs for one in arms.values()),
        disagreements=sum(one.disagreements for one in arms.values()),
        declined=sum(one.declined for one in arms.values()),
    )
