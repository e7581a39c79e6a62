"""One lineage: a home as it was, a try that is killed, retries of which some are killed too, and what came of it."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kills_template import Child

MOST_TRIES = 8
# From outside, of each process of a job that is struck at all: some come when it has ended.
_STRIKES = 15


@dataclass(frozen=True, kw_only=True)
class At:
    """A kill by the process itself, at its boundary of that number."""

    boundary: int


@dataclass(frozen=True, kw_only=True)
class After:
    """A kill of the whole process group from outside, so many seconds after its start."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class InJob:
    """A kill of the job that the try has started, at that job's boundary of that number."""

    boundary: int


@dataclass(frozen=True, kw_only=True)
class AfterInJob:
    """A kill from outside of one process of the job, so many seconds after that process has begun."""

    part: str
    seconds: float


Kill = At | After | InJob | AfterInJob


@dataclass(frozen=True, kw_only=True)
class Unharmed:
    """The boundaries of a run that nobody kills, in their order, those of its job, and how long it took.

    `parts`: the processes of its job that are killed from outside, too.
    """

    boundaries: tuple[str, ...]
    seconds: float
    in_job: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Outcome:
    """What a lineage came to: where it was killed, and all that is not as it would have been without that."""

    subject: str
    kills: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    started_twice: int = 0
    stuck: str = ""

    @property
    def wrong(self) -> bool:
        return bool(self.lost or self.doubled or self.started_twice or self.stuck)


class World(Protocol):
    """One lineage's home and services."""

    def attempt(self, number: int, kill: Kill | None) -> Child:
        """Begins a try, which dies by itself where `kill` is At; kills in the job are the world's to see to."""
        ...

    def killed_in_job(self) -> list[str]:
        """Where jobs that tries have started were killed."""
        ...

    def passed(self) -> list[str]:
        """The boundaries that its tries have passed, in their order."""
        ...

    def judge(self, outcome: Outcome) -> None:
        """Fills in what was lost, doubled and started twice."""
        ...

    def close(self) -> None: ...

    @property
    def log(self) -> Path: ...


class Subject(Protocol):
    """What is killed: a stage, or a job of a platform."""

    @property
    def name(self) -> str: ...

    def world(self, place: Path) -> World: ...

    def unharmed(self, place: Path) -> Unharmed:
        """Runs it once without a kill, and keeps what it made to compare with."""
        ...


def run(subject: Subject, kills: Sequence[Kill], place: Path) -> Outcome:
    """Runs a lineage in the folder `place`."""
    outcome, world = Outcome(subject=subject.name), subject.world(place)
    try:
        for number, kill in enumerate([*kills, *[None] * MOST_TRIES]):
            if _killed(world, number, kill, outcome):
                continue
            break
        else:
            outcome.stuck = world.log.read_text(errors="replace")[-1500:]
        outcome.kills += world.killed_in_job()
        if not outcome.stuck:
            world.judge(outcome)
    finally:
        world.close()
    return outcome


def _killed(world: World, number: int, kill: Kill | None, outcome: Outcome) -> bool:
    """Whether the try did not end well, so that another one follows."""
    child = world.attempt(number, kill)
    if isinstance(kill, After) and not child.ended(kill.seconds):
        child.kill()
    status = child.wait()
    if status == -signal.SIGKILL:
        outcome.kills.append(world.passed()[-1] if isinstance(kill, At) else "from outside, at any moment")
    return status != 0


class Planner:
    """Which kills there are to be, the same for the same seed: every boundary first, then more at once."""

    def __init__(self, unharmed: Mapping[str, Unharmed], *, seed: int) -> None:
        self._unharmed, self._random = unharmed, random.Random(seed)
        # The more boundaries and the less time, the more often.
        self._weights = [len(one.boundaries) / (0.5 + one.seconds) for one in unharmed.values()]

    def every(self) -> list[tuple[str, list[Kill]]]:
        """A lineage for each boundary of each subject, some for each process of its job that is killed from outside.

        A half of them are killed in their retry as well.
        """
        found = [(name, [kill, *self._more(name)]) for name, one in self._unharmed.items() for kill in self._first(one)]
        self._random.shuffle(found)
        return found

    def _first(self, one: Unharmed) -> Iterator[Kill]:
        yield from (At(boundary=at) for at in range(len(one.boundaries)))
        yield from (InJob(boundary=at) for at in range(len(one.in_job)))
        yield from (self._struck(one, part) for part in one.parts for _ in range(_STRIKES))

    def further(self) -> Iterator[tuple[str, list[Kill]]]:
        """Lineages without end: killed up to three times, some of them from outside."""
        names = list(self._unharmed)
        while True:
            name = self._random.choices(names, self._weights)[0]
            yield name, [self._any(name), *self._more(name), *self._more(name)]

    def _more(self, name: str) -> list[Kill]:
        return [self._any(name)] if self._random.random() < 0.5 else []

    def _any(self, name: str) -> Kill:
        one = self._unharmed[name]
        if self._random.random() < 0.3:
            return After(seconds=self._random.uniform(0, one.seconds))
        if one.parts and self._random.random() < 0.4:
            return self._struck(one, self._random.choice(one.parts))
        if one.in_job and self._random.random() < 0.2:
            return InJob(boundary=self._random.randrange(len(one.in_job)))
        return At(boundary=self._random.randrange(len(one.boundaries)))

    def _struck(self, one: Unharmed, part: str) -> AfterInJob:
        return AfterInJob(part=part, seconds=self._random.uniform(0, one.seconds))


@dataclass
class Tally:
    """Outcomes of all lineages, kept by whichever thread has one."""

    outcomes: list[Outcome] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes.append(outcome)

    @property
    def kills(self) -> int:
        return sum(len(one.kills) for one in self.outcomes)

    def summary(self) -> dict[str, Any]:
        """The counts; a lineage that never ended has lost all that it was for."""
        return {
            "kills": self.kills,
            "lost": sum(len(one.lost) + bool(one.stuck) for one in self.outcomes),
            "doubled": sum(len(one.doubled) for one in self.outcomes),
            "started_twice": sum(one.started_twice for one in self.outcomes),
        }

    def table(self) -> list[tuple[str, str, int]]:
        """(subject, boundary, kills)."""
        counted = Counter((one.subject, kill) for one in self.outcomes for kill in one.kills)
        return [(subject, kill, count) for (subject, kill), count in sorted(counted.items())]
