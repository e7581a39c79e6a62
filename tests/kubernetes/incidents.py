"""What readers saw of a fault, counted at their end, and the table of it at the end of a session."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.kubernetes.load import LoadClient, Request

# So long after a new split was decided some requests may still go by the old one: the write, and the gateway's watch.
SETTLE = 2.0
WRITE_TO = "PRESSRUN_TEST_FAULTS_TO"
TOLD: list[Incident] = []
_HEAD = ("fault", "end", "requests", "failed", "on the champion's share", "after the rollback", "seconds", "which are")

Moves = Sequence[tuple[float, int]]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One fault. `on_champion` are requests that failed beyond what the candidate's share explains.

    `after` failed more than `SETTLE` seconds after the rollback was decided; `seconds` are those that `which` says.
    """

    fault: str
    end: str
    requests: int
    failed: int
    on_champion: int
    after: int
    seconds: float | None
    which: str

    @property
    def row(self) -> tuple[str, ...]:
        seconds = "" if self.seconds is None else f"{self.seconds:.1f}"
        counts = (self.requests, self.failed, self.on_champion, self.after)
        return (self.fault, self.end, *map(str, counts), seconds, self.which)


def incident(
    load: LoadClient, *, fault: str, end: str, moves: Moves, champion: str, since: float,
    bad: Callable[[Request], bool] | None = None, seconds: float | None = None, which: str = "",
) -> Incident:  # fmt: skip
    """Counts what was sent from `since` (epoch) till now. `moves` are the candidate's weights (percent) over time.

    With `bad`, the seconds are those from the first bad answer to the last one, or to the decision if that was later.
    """
    seen = [request for request in list(load.requests) if request.at >= since]
    back = next((at for at, weight in reversed(moves) if weight == 0), None) if end != "promoted" else None
    if bad is not None:
        seconds = _seconds(sorted(request.at for request in seen if bad(request)), back)
    after = sum(request.failed for request in seen if back is not None and request.at >= back + SETTLE)
    on_champion = sum(_beyond(part, share, champion) for part, share in _parts(seen, moves))
    found = Incident(
        fault=fault, end=end, requests=len(seen), failed=sum(request.failed for request in seen),
        on_champion=on_champion, after=after, seconds=seconds, which=which,
    )  # fmt: skip
    TOLD.append(found)
    return found


def _seconds(bad: Sequence[float], back: float | None) -> float | None:
    return max(bad[-1], back or bad[-1]) - bad[0] if bad else None


def _parts(seen: Sequence[Request], moves: Moves) -> Iterator[tuple[list[Request], int]]:
    """The requests by the split they fell under; while a new one settles, whichever gives the candidate more."""
    spans, before, start = [], 0, float("-inf")
    for at, weight in moves:
        spans += [(start, at, before), (at, at + SETTLE, max(before, weight))]
        before, start = weight, at + SETTLE
    for begin, end, share in [*spans, (start, float("inf"), before)]:
        yield [request for request in seen if begin <= request.at < end], share


def _beyond(part: Sequence[Request], share: int, champion: str) -> int:
    """Failures that leave the champion with fewer answers than its share; the gateway deals exactly, but for one."""
    failed = sum(request.failed for request in part)
    due = len(part) * (100 - share) // 100 - (1 if share else 0)
    answered = sum(request.version == champion and not request.failed for request in part)
    return min(failed, max(0, due - answered))


def table() -> str:
    """All incidents so far, in Markdown."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(found.row for found in TOLD)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_table() -> None:
    """To the file that the environment names, if it names one."""
    if (path := os.environ.get(WRITE_TO)) and TOLD:
        Path(path).write_text(_PAGE.format(date=f"{datetime.now(UTC):%Y-%m-%d}", machine=_machine(), table=table()))


def _machine() -> str:
    return f"{os.cpu_count()} cores ({platform.machine()}), with the cluster, its gateway and the readers on them"


_PAGE = """# Rollouts under faults, on a real cluster
Made on {date} on {machine}.
`PRESSRUN_TEST_FAULTS_TO=docs/benchmarks/rollout_faults.md make test-kubernetes` makes it again.

Readers send 50 requests a second to the gateway from before each fault until after its end; everything is counted at
their end. "On the champion's share" are failures that the candidate's share of that moment does not explain. "After the
rollback" begins 2 s after weight 0 was decided: the write, and the gateway's watch of its route.

{table}
"""
