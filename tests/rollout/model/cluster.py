"""A cluster in which nothing goes wrong by itself, with real times: for a story that is told step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pressrun.rollout.machine import advance
from pressrun.rollout.seen import Action, ArmSeen, Observed, RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.types import CANDIDATE, CHAMPION, Intent, Phase, RolloutState, Wish
from pressrun.verdict import Assertion, Decision
from tests.rollout.model.keys import FORMER, GENERATION, NEW, NOW, Setting, check


@dataclass
class Cluster:
    """Pods by arm as [asked for, ready]. New pods are ready at once unless `slow`; `done` is all that was done."""

    setting: Setting
    pods: dict[str, list[int]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    state: RolloutState = field(default_factory=lambda: RolloutState(since=NOW))
    now: datetime = NOW
    intents: tuple[Intent, ...] = ()
    checks: tuple[Assertion, ...] = (check(Decision.PASS),)
    requests: int = 1000
    switched: bool = False
    slow: bool = False
    done: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        if size := self.setting.champion_size:
            self.pods[CHAMPION], self.weights = [size, size], {CHAMPION: 100}

    def round(self, *, seconds: float = 1.0, times: int = 1) -> list[Action]:
        """Looks, asks the machine and does what it says; what was done in the last of these rounds."""
        actions: list[Action] = []
        for _ in range(times):
            self.now += timedelta(seconds=seconds)
            self.state, told = advance(self.setting.plan, self.seen(), self.state, self.now)
            actions = list(told)
            for action in actions:
                self.do(action)
        return actions

    def until(self, *phases: Phase, rounds: int = 400) -> None:
        """Rounds until the rollout is in one of the phases; an error when it never is."""
        for _ in range(rounds):
            if self.state.phase in phases:
                return
            self.round()
        raise AssertionError(f"after {rounds} rounds it is {self.state.phase}, never {phases}")

    def wish(self, wish: Wish) -> None:
        """A person's wish."""
        self.intents += (Intent(generation=GENERATION, wish=wish, actor="ann", reason="x", at=self.now),)

    def ready(self, arm: str) -> int:
        return self.pods.get(arm, [0, 0])[1]

    def seen(self) -> Observed:
        champion = NEW if self.switched else self.setting.plan.champion
        return Observed(
            generation=GENERATION,
            arms={arm: ArmSeen(replicas=asked, ready=ready) for arm, (asked, ready) in self.pods.items()},
            weights=self.weights,
            champion_digest=champion.digest if champion else None,
            champion_generation=GENERATION if self.switched else FORMER,
            intents=self.intents,
            checks=self.checks,
            requests=self.requests,
        )

    def do(self, action: Action) -> None:
        self.done.append(action)
        match action:
            case ScaleArm(arm, replicas):
                self.pods[arm] = [replicas, self.ready(arm) if self.slow else replicas]
            case RemoveArm(arm):
                assert not self.weights.get(arm), f"{arm} is removed with {self.weights[arm]}% of the traffic"
                del self.pods[arm]
            case SetWeights(weights):
                assert all(self.ready(arm) for arm in weights), f"{dict(weights)} with {self.pods} ready"
                self.weights = dict(weights)
            case SwitchChampion():
                self.switched = True

    @property
    def removed(self) -> list[str]:
        return [action.arm for action in self.done if isinstance(action, RemoveArm)]

    @property
    def tried(self) -> int:
        """The candidate's share of the traffic."""
        return self.weights.get(CANDIDATE, 0)
