"""The rollout as a pure state machine: `advance(plan, observed, state, now) -> (state, actions)`.

It is level-triggered. Each call says again what is still to be done, judged by what is observed, so that a controller
which died between two actions does the missing one when it comes back. What always holds:

- weights go to ready arms only and add up to 100, or are empty when no arm that may serve is ready;
- the champion is not stopped before the record names the candidate as champion and it carries everything;
- once a rollout is going back, the candidate carries nothing, and is stopped only then;
- an observation or abort of another generation changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pressrun.rollout.types import CANDIDATE, CHAMPION, AbortIntent, Phase, RolloutPlan, RolloutState
from pressrun.verdict import Assertion, Check, Comparison, Decision
from pressrun.verdict.model import decide


@dataclass(frozen=True, kw_only=True)
class ArmSeen:
    """One arm's server as its controller sees it; `crashes` counts the times that it ended by itself."""

    running: bool = False
    ready: bool = False
    crashes: int = 0


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The world at one moment. `checks` and `requests` (the candidate's) are of the present step only."""

    generation: int
    arms: Mapping[str, ArmSeen] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    champion_digest: str | None = None
    champion_generation: int = 0
    abort: AbortIntent | None = None
    checks: tuple[Check, ...] = ()
    requests: int = 0

    def arm(self, name: str) -> ArmSeen:
        return self.arms.get(name, ArmSeen())


@dataclass(frozen=True)
class StartArm:
    arm: str


@dataclass(frozen=True)
class StopArm:
    arm: str


@dataclass(frozen=True)
class SetWeights:
    weights: Mapping[str, int]


@dataclass(frozen=True)
class SwitchChampion:
    """Record the candidate as champion, in one write."""


Action = StartArm | StopArm | SetWeights | SwitchChampion


def advance(
    plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime
) -> tuple[RolloutState, tuple[Action, ...]]:
    """The next state, and what must be done for the world to follow it."""
    if observed.generation != plan.generation or state.ended:
        return state, ()
    state = _next(plan, observed, state, now)
    state = state.model_copy(update={"weights": _weights(plan, observed, state)})
    return state, _actions(plan, observed, state)


def resume(state: RolloutState, now: datetime) -> RolloutState:
    """The state after the controller was away: servers are started anew, and the present step is measured anew."""
    if state.ended or state.phase is Phase.ROLLING_BACK:
        return state
    return state.model_copy(update={"phase": Phase.STARTING, "since": now, "checks": (), "decided_at": None})


def _next(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    if state.phase is Phase.ROLLING_BACK:
        return _rolling_back(observed, state, now)
    if observed.champion_generation == plan.generation:
        return _promoting(observed, state, now)
    stop = _hard_stop(plan, observed, state)
    if stop is not None:
        return _go_back(state, now, checks=(*observed.checks, stop), aborted=_aborter(plan, observed))
    if state.phase is Phase.PROMOTING:
        return state
    if state.phase is Phase.STARTING:
        return _starting(plan, observed, state, now)
    return _measuring(plan, observed, state, now)


def _hard_stop(plan: RolloutPlan, observed: Observed, state: RolloutState) -> Assertion | None:
    """What ends a rollout whatever the counts say."""
    candidate = observed.arm(CANDIDATE)
    if (actor := _aborter(plan, observed)) is not None:
        return _stop("aborted", Decision.INSUFFICIENT, actor)
    if (stale := _stale(plan, observed)) is not None:
        return _stop("champion_unchanged", Decision.INSUFFICIENT, stale)
    if candidate.crashes:
        return _stop("crashes", Decision.FAIL, "the candidate's server ended by itself", candidate.crashes)
    if state.phase is not Phase.STARTING and not candidate.ready:
        return _stop("ready", Decision.FAIL, "the candidate's server stopped answering its readiness probe", False)
    return None


def _aborter(plan: RolloutPlan, observed: Observed) -> str | None:
    abort = observed.abort
    if abort is None or abort.generation != plan.generation:
        return None
    return f"aborted by {abort.actor}: {abort.reason}"


def _stale(plan: RolloutPlan, observed: Observed) -> str | None:
    """The gate compared with another champion than the one that serves now: its verdict does not hold."""
    gated = plan.champion.digest if plan.champion else None
    if gated == observed.champion_digest:
        return None
    names = [digest[:12] if digest else "none" for digest in (gated, observed.champion_digest)]
    return f"the gate compared with champion {names[0]}, now {names[1]} serves: run the gate again"


def _starting(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    if observed.arm(CANDIDATE).ready and plan.champion is None:
        return _promote(state, now, (_first_champion(),))
    if observed.arm(CANDIDATE).ready and observed.arm(CHAMPION).ready:
        baking = state.step >= len(plan.policy.steps)
        return _enter(state, Phase.BAKING if baking else Phase.STEPPING, state.step, now)
    if now - state.since < plan.start_within:
        return state
    late = CANDIDATE if not observed.arm(CANDIDATE).ready else CHAMPION
    decision = Decision.FAIL if late == CANDIDATE else Decision.ERROR
    reason = f"the {late}'s server was not ready within {plan.start_within.total_seconds():.0f} s"
    return _go_back(state, now, checks=(_stop("ready", decision, reason, False),))


def _measuring(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    state = state.model_copy(update={"checks": observed.checks})
    if decide(observed.checks) in (Decision.FAIL, Decision.ERROR):
        return _go_back(state, now, checks=observed.checks)
    if state.phase is Phase.BAKING:
        return _baking(plan, observed, state, now)
    return _stepping(plan, observed, state, now)


def _baking(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """Promotes after the bake when its own traffic passes; traffic too thin to tell gets one step's time more."""
    baked = now - state.since - plan.policy.bake
    if baked >= timedelta() and decide(observed.checks) is Decision.PASS:
        return _promote(state, now, observed.checks)
    if baked < plan.policy.max_step:
        return state
    return _go_back(state, now, checks=(*observed.checks, _undecided(plan, observed, state, now)))


def _stepping(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    enough = observed.requests >= plan.policy.min_requests
    if enough and decide(observed.checks) is Decision.PASS:
        last = state.step + 1 >= len(plan.policy.steps)
        return _enter(state, Phase.BAKING if last else Phase.STEPPING, state.step + 1, now)
    if now - state.since < plan.policy.max_step:
        return state
    return _go_back(state, now, checks=(*observed.checks, _undecided(plan, observed, state, now)))


def _undecided(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> Assertion:
    wanted, seconds = plan.policy.min_requests, (now - state.since).total_seconds()
    reason = f"{observed.requests} requests of the candidate in {seconds:.0f} s, {wanted} needed"
    if observed.requests >= wanted:
        reason = f"{observed.requests} requests in {seconds:.0f} s did not settle every check"
    return _stop("requests", Decision.INSUFFICIENT, reason, observed.requests)


def _promoting(observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """The candidate is champion: what is left is to stop the old one."""
    phase = Phase.PROMOTING if observed.arm(CHAMPION).running else Phase.PROMOTED
    return state if phase is state.phase else _enter(state, phase, state.step, now)


def _rolling_back(observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    if state.back_at is None and not observed.weights.get(CANDIDATE, 0):
        state = state.model_copy(update={"back_at": now})
    return state if observed.arm(CANDIDATE).running else _enter(state, Phase.ROLLED_BACK, state.step, now)


def _promote(state: RolloutState, now: datetime, checks: tuple[Check, ...]) -> RolloutState:
    update = {"checks": checks, "decided_at": now, "decided_weight": 100}
    return _enter(state.model_copy(update=update), Phase.PROMOTING, state.step, now)


def _go_back(
    state: RolloutState, now: datetime, *, checks: tuple[Check, ...], aborted: str | None = None
) -> RolloutState:
    update = {
        "checks": checks,
        "aborted": aborted,
        "decided_at": now,
        "decided_weight": state.weights.get(CANDIDATE, 0),
    }
    return _enter(state.model_copy(update=update), Phase.ROLLING_BACK, state.step, now)


def _enter(state: RolloutState, phase: Phase, step: int, now: datetime) -> RolloutState:
    return state.model_copy(update={"phase": phase, "step": step, "since": now})


def _weights(plan: RolloutPlan, observed: Observed, state: RolloutState) -> dict[str, int]:
    """The wanted split, given to the arms that are ready."""
    share = candidate_share(plan, state)
    wanted = {CANDIDATE: share, CHAMPION: 100 - share}
    ready = {arm: weight for arm, weight in wanted.items() if weight and observed.arm(arm).ready}
    if len(ready) == 1:
        return dict.fromkeys(ready, 100)
    return ready


def candidate_share(plan: RolloutPlan, state: RolloutState) -> int:
    """The candidate's share of traffic in percent that the phase asks for."""
    if state.phase is Phase.STEPPING:
        return plan.policy.steps[state.step]
    return 100 if state.phase in (Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED) else 0


def _actions(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[Action, ...]:
    actions: list[Action] = []
    if dict(observed.weights) != state.weights:
        actions.append(SetWeights(state.weights))
    if state.phase is Phase.PROMOTING:
        return (*actions, *_promotion(plan, observed))
    if state.phase is Phase.ROLLING_BACK:
        back = not observed.weights.get(CANDIDATE, 0)
        return (*actions, *([StopArm(CANDIDATE)] if back and observed.arm(CANDIDATE).running else []))
    return (*actions, *_starts(plan, observed, state))


def _starts(plan: RolloutPlan, observed: Observed, state: RolloutState) -> list[Action]:
    wanted = [] if state.ended else [arm.name for arm in plan.arms]
    return [StartArm(name) for name in wanted if not observed.arm(name).running]


def _promotion(plan: RolloutPlan, observed: Observed) -> list[Action]:
    """Name the candidate champion, and only when that is seen to be so, and it carries all, stop the old one."""
    if observed.champion_generation != plan.generation:
        return [SwitchChampion()] if observed.arm(CANDIDATE).ready else _revive(observed)
    carries_all = dict(observed.weights) == {CANDIDATE: 100}
    return [StopArm(CHAMPION)] if carries_all and observed.arm(CHAMPION).running else _revive(observed)


def _revive(observed: Observed) -> list[Action]:
    return [] if observed.arm(CANDIDATE).running else [StartArm(CANDIDATE)]


def _first_champion() -> Assertion:
    return Assertion(metric="first_champion", value=True, decision=Decision.PASS, reason="first champion, no canary")


def _stop(metric: str, decision: Decision, reason: str, value: int | bool | None = None) -> Assertion:
    return Assertion(metric=metric, value=value, decision=decision, reason=reason)


def worst(checks: tuple[Check, ...]) -> Comparison | Assertion | None:
    """The check that decided, for a line of text."""
    decision = decide(checks)
    return next((check for check in checks if check.decision is decision), None)
