"""What of a rollout the model keeps: small, finite keys for states, observations and actions, and what they stand for.

Times are kept as what has passed: the bake, or the patience of the step or of the start. Two states that differ in
seconds alone are one key, so that the states can be counted to their end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.seen import Action, ArmSeen, Observed, RemoveArm, ScaleArm, SetWeights
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Arm, Intent, Phase, RolloutPlan, RolloutState, Wish
from pressrun.verdict import Assertion, Decision

Advance = Callable[[RolloutPlan, Observed, RolloutState, datetime], tuple[RolloutState, tuple[Action, ...]]]
Triple = tuple[int, int, int]
Pods = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Do = tuple[str, object]

ARMS = (CHAMPION, BASELINE, CANDIDATE)
GENERATION, OLDER, FORMER = 7, 6, 3
NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
BAKE, STEP, START, UNREADY = (timedelta(seconds=s) for s in (5, 60, 30, 10))
# Seconds on a state's clock for each age: nothing has passed, the bake has, every patience has.
AGES = (0.0, BAKE.total_seconds() + 1, 300.0)
OLD = ModelRef(name="topics", version="1", digest="0" * 64, run_id="r1", bundle="/b1")
NEW = ModelRef(name="topics", version="2", digest="1" * 64, run_id="r2", bundle="/b2")


class Intents(NamedTuple):
    """What people want; `held` is the last of pause and resume, `older` is said of another generation."""

    held: Wish | None = None
    abort: bool = False
    promote: bool = False
    force: bool = False
    older: bool = False
    release: bool = False


class Key(NamedTuple):
    """A rollout's state without its times."""

    phase: Phase = Phase.STARTING
    step: int = 0
    age: int = 0
    paused: bool = False
    absent: bool = False
    worn: bool = False
    aborted: bool = False
    forced: bool = False

    @property
    def ended(self) -> bool:
        return self.phase in (Phase.PROMOTED, Phase.ROLLED_BACK)

    @property
    def back(self) -> bool:
        return self.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)


class Sight(NamedTuple):
    """An observation without its times."""

    pods: Pods
    weights: Triple
    switched: bool = False
    crashed: bool = False
    intents: Intents = Intents()
    check: Decision = Decision.INSUFFICIENT
    enough: bool = False


@dataclass(frozen=True)
class Setting:
    """One plan to explore, and the size that the champion has when it begins."""

    name: str
    steps: tuple[int, ...] = (50, 100)
    replicas: int = 2
    split: str = "weights"
    baseline: bool = False
    first: bool = False
    patient: bool = True
    hold: bool = False
    champion_replicas: int | None = None
    kinds: frozenset[str] | None = None
    plan: RolloutPlan = field(init=False)

    def __post_init__(self) -> None:
        arms = () if self.first else (Arm(name=CHAMPION, model=OLD),)
        arms += (Arm(name=BASELINE, model=OLD),) if self.baseline else ()
        plan = RolloutPlan(
            model="topics", pipeline="topics", step_key="d/r/t/-1", generation=GENERATION, replicas=self.replicas,
            split=self.split, policy=Rollout(steps=list(self.steps), min_requests=10, max_step=STEP, bake=BAKE),
            arms=(*arms, Arm(name=CANDIDATE, model=NEW)), start_within=START,
            unready_within=UNREADY if self.patient else timedelta(), hold=self.hold,
        )  # fmt: skip
        object.__setattr__(self, "plan", plan)

    @property
    def champion_size(self) -> int:
        return 0 if self.first else self.champion_replicas or self.replicas


def check(decision: Decision) -> Assertion:
    return Assertion(metric="error_rate", decision=decision, reason="as the model says")


FORCED = Assertion(metric="forced", value="ann", required=False, decision=Decision.FAIL, reason="forced by ann: x")
DECIDED = Assertion(metric="decided", decision=Decision.PASS, reason="decided before")


def state_of(key: Key) -> RolloutState:
    """A state that the key stands for."""
    pause = timedelta(hours=1) if key.paused else timedelta()
    decided = key.back or key.phase in (Phase.PROMOTING, Phase.PROMOTED)
    return RolloutState(
        phase=key.phase,
        step=key.step,
        since=NOW - pause - timedelta(seconds=AGES[key.age]),
        checks=(DECIDED, FORCED) if key.forced else (DECIDED,) if decided else (),
        aborted="aborted by ann: x" if key.aborted else None,
        paused_at=NOW - pause if key.paused else None,
        unready_since=NOW - timedelta(seconds=100 if key.worn else 0) if key.absent else None,
        unready_seconds=100.0 if key.worn and not key.absent else 0.0,
    )


def key_of(state: RolloutState) -> Key:
    """The key of a state at `NOW`."""
    seconds = ((state.paused_at or NOW) - state.since).total_seconds()
    since = (NOW - state.unready_since).total_seconds() if state.unready_since else 0.0
    return Key(
        phase=state.phase,
        step=state.step,
        age=sum(seconds >= age for age in AGES[1:]),
        paused=state.paused_at is not None,
        absent=state.unready_since is not None,
        worn=state.unready_seconds + since >= UNREADY.total_seconds(),
        aborted=state.aborted is not None,
        forced=any(c.metric == "forced" for c in state.checks),
    )


def observed_of(sight: Sight, setting: Setting) -> Observed:
    """An observation that the sight stands for."""
    weights = {arm: weight for arm, weight in zip(ARMS, sight.weights, strict=True) if weight}
    champion = NEW if sight.switched else setting.plan.champion
    return Observed(
        generation=GENERATION,
        arms={
            arm: ArmSeen(replicas=n, ready=ready, crashes=int(sight.crashed and arm == CANDIDATE))
            for arm, (n, ready) in zip(ARMS, sight.pods, strict=True)
        },
        weights=weights,
        champion_digest=champion.digest if champion else None,
        champion_generation=GENERATION if sight.switched else FORMER,
        intents=_intents(sight.intents),
        checks=(check(sight.check),),
        requests=20 if sight.enough else 3,
    )


def _intents(wanted: Intents) -> tuple[Intent, ...]:
    held: tuple[Wish, ...] = {None: (), "pause": ("pause",), "resume": ("pause", "resume")}[wanted.held]
    mine: tuple[Wish, ...] = tuple(w for w in ("promote", "force", "abort", "release") if getattr(wanted, w))
    older: tuple[Wish, ...] = ("force", "abort", "pause") if wanted.older else ()
    said = [(OLDER, wish) for wish in older] + [(GENERATION, wish) for wish in (*held, *mine)]
    return tuple(Intent(generation=g, wish=wish, actor="ann", reason="x", at=NOW) for g, wish in said)


def do_of(action: Action) -> Do:
    """The key of an action."""
    match action:
        case ScaleArm(arm, replicas):
            return "scale", (ARMS.index(arm), replicas)
        case RemoveArm(arm):
            return "remove", ARMS.index(arm)
        case SetWeights(weights):
            return "weights", tuple(weights.get(arm, 0) for arm in ARMS)
    return "switch", None
