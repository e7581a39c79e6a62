"""What the state machine is told of the world, and what it asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pressrun.rollout.types import Intent
from pressrun.verdict import Check


@dataclass(frozen=True, kw_only=True)
class ArmSeen:
    """One arm as its controller sees it.

    `replicas` were asked for (0: the arm is not there), `ready` of them may be given traffic; `crashes` counts the
    times that one ended by itself.
    """

    replicas: int = 0
    ready: int = 0
    crashes: int = 0


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The world at one moment. `checks` and `requests` (the candidate's) are of the present step only.

    Whoever observes reads traffic and servers first and the record last: an action that was decided by an older record
    then meets newer objects, and is refused.
    """

    generation: int
    arms: Mapping[str, ArmSeen] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    champion_digest: str | None = None
    champion_generation: int = 0
    intents: tuple[Intent, ...] = ()
    checks: tuple[Check, ...] = ()
    requests: int = 0

    def arm(self, name: str) -> ArmSeen:
        return self.arms.get(name, ArmSeen())


@dataclass(frozen=True)
class ScaleArm:
    """Let the arm have this many replicas, whether it is there yet or not."""

    arm: str
    replicas: int


@dataclass(frozen=True)
class RemoveArm:
    arm: str


@dataclass(frozen=True)
class SetWeights:
    """Let the traffic be split like this, in percent."""

    weights: Mapping[str, int]


@dataclass(frozen=True)
class SwitchChampion:
    """Record the candidate as champion, in one write."""


Action = ScaleArm | RemoveArm | SetWeights | SwitchChampion
