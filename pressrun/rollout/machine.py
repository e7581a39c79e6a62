"""The rollout as a pure state machine: `advance(plan, observed, state, now) -> (state, actions)`.

It is level-triggered. Each call says again what is still to be done, judged by what is observed, so that a controller
which died between two actions does the missing one when it comes back. What always holds:

- weights go to ready arms only and add up to 100, or are empty when no arm that may serve is ready;
- an arm is given no more than its ready replicas carry, unless no other arm is ready;
- the champion keeps its full size until the record names the candidate as champion and it carries everything;
- once a rollout is going back, the candidate carries nothing, and is removed only then;
- an arm is removed only behind a write of the route;
- an observation or intent of another generation changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pressrun.rollout.clocks import PAUSABLE, absent_for, clocked, is_absent
from pressrun.rollout.seen import Action, Observed, RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.split import ALL, reached, replicas_for, sizes, weights
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Phase, RolloutPlan, RolloutState
from pressrun.rollout.wishes import in_words, recorded, wanted
from pressrun.verdict import Assertion, Check, Comparison, Decision
from pressrun.verdict.model import decide

_ARMS = (CHAMPION, BASELINE, CANDIDATE)


def advance(
    plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime
) -> tuple[RolloutState, tuple[Action, ...]]:
    """The next state, and what must be done for the world to follow it."""
    if observed.generation != plan.generation or state.ended:
        return state, ()
    state = _next(plan, observed, clocked(plan, observed, state, now), now)
    state = state.model_copy(update={"weights": weights(plan, observed, state)})
    return state, _actions(plan, observed, state)


def resume(state: RolloutState, now: datetime) -> RolloutState:
    """The state after its servers went with their controller: they are started anew, and the step is measured anew.

    What a promotion was decided by is kept: the record may name the candidate already, and then nothing is measured.
    """
    if state.ended or state.phase is Phase.ROLLING_BACK:
        return state
    if state.phase in (Phase.STEPPING, Phase.BAKING):
        state = state.model_copy(update={"checks": (), "decided_at": None})
    return _enter(state, Phase.STARTING, state.step, now)


def _next(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    if state.phase is Phase.ROLLING_BACK:
        return _rolling_back(plan, observed, state, now)
    if observed.champion_generation == plan.generation:
        return _promoting(observed, state, now)
    forced = wanted(plan, observed, "force")
    if (back := _stopped(plan, observed, state, now, forced=forced is not None)) is not None:
        return back
    if state.phase is Phase.PROMOTING:
        return _awaited(plan, observed, state, now)
    if state.phase is Phase.STARTING:
        return _starting(plan, observed, state, now)
    if (intent := forced or wanted(plan, observed, "promote")) is not None:
        return _promote(state, now, (*observed.checks, recorded(intent)))
    return _measuring(plan, observed, state, now)


def _stopped(
    plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime, *, forced: bool
) -> RolloutState | None:
    """On its way back by an abort, or by what ends a rollout whatever the counts say, unless it is forced."""
    if (abort := wanted(plan, observed, "abort")) is not None:
        stop = _stop("aborted", Decision.INSUFFICIENT, in_words(abort))
        return _go_back(state, now, checks=(*observed.checks, stop), aborted=in_words(abort))
    if forced:
        return None
    if (stop_ := _hard_stop(plan, observed, state, now)) is not None:
        return _go_back(state, now, checks=(*observed.checks, stop_))
    if decide(observed.checks) in (Decision.FAIL, Decision.ERROR):
        return _go_back(state, now, checks=observed.checks)
    return None


def _hard_stop(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> Assertion | None:
    candidate = observed.arm(CANDIDATE)
    if (stale := _stale(plan, observed)) is not None:
        return _stop("champion_unchanged", Decision.INSUFFICIENT, stale)
    if candidate.crashes:
        return _stop("crashes", Decision.FAIL, "the candidate's server ended by itself", candidate.crashes)
    if is_absent(plan, observed, state) and absent_for(state, now) >= plan.unready_within.total_seconds():
        return _stop("ready", Decision.FAIL, "the candidate's server stopped answering its readiness probe", False)
    return None


def _stale(plan: RolloutPlan, observed: Observed) -> str | None:
    """The gate compared with another champion than the one that serves now: its verdict does not hold."""
    gated = plan.champion.digest if plan.champion else None
    if gated == observed.champion_digest:
        return None
    names = [digest[:12] if digest else "none" for digest in (gated, observed.champion_digest)]
    return f"the gate compared with champion {names[0]}, now {names[1]} serves: run the gate again"


def _starting(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    late = _late(plan, observed, state)
    if late is None:
        return _started(plan, observed, state, now)
    if state.paused_at or now - state.since < plan.start_within:
        return state
    decision = Decision.FAIL if late == CANDIDATE else Decision.ERROR
    reason = f"the {late}'s server was not ready within {plan.start_within.total_seconds():.0f} s"
    return _go_back(state, now, checks=(_stop("ready", decision, reason, False),))


def _started(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """Everything is ready: traffic begins, unless a pause holds that no promotion by a person lifts."""
    if state.paused_at and wanted(plan, observed, "promote", "force") is None:
        return state
    if plan.champion is None:
        return _promote(state, now, (_first_champion(),))
    baking = state.step >= len(plan.policy.steps)
    return _enter(state, Phase.BAKING if baking else Phase.STEPPING, state.step, now)


def _late(plan: RolloutPlan, observed: Observed, state: RolloutState) -> str | None:
    """The first arm that has fewer ready replicas than it starts with."""
    needed = sizes(plan, observed, state)
    arms = (CANDIDATE, BASELINE, CHAMPION)
    return next((arm for arm in arms if observed.arm(arm).ready < needed.get(arm, 0)), None)


def _measuring(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    state = state.model_copy(update={"checks": observed.checks})
    if state.paused_at:
        return state
    if state.phase is Phase.BAKING:
        return _baking(plan, observed, state, now)
    return _stepping(plan, observed, state, now)


def _baking(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """Promotes after the bake when its own traffic passes; traffic too thin to tell gets one step's time more."""
    baked = now - state.since - plan.policy.bake
    passed = decide(observed.checks) is Decision.PASS and reached(plan, observed, ALL)
    if plan.hold and not wanted(plan, observed, "release"):
        return state
    if baked >= timedelta() and passed:
        return _promote(state, now, observed.checks)
    if baked < plan.policy.max_step:
        return state
    return _go_back(state, now, checks=(*observed.checks, _undecided(plan, observed, state, now)))


def _stepping(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    enough = observed.requests >= plan.policy.min_requests and reached(plan, observed, plan.policy.steps[state.step])
    if enough and decide(observed.checks) is Decision.PASS:
        last = state.step + 1 >= len(plan.policy.steps)
        return _enter(state, Phase.BAKING if last else Phase.STEPPING, state.step + 1, now)
    if now - state.since < plan.policy.max_step:
        return state
    return _go_back(state, now, checks=(*observed.checks, _undecided(plan, observed, state, now)))


def _undecided(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> Assertion:
    needed, seconds = plan.policy.min_requests, (now - state.since).total_seconds()
    reason = f"{observed.requests} requests of the candidate in {seconds:.0f} s, {needed} needed"
    if observed.requests >= needed:
        reason = f"{observed.requests} requests in {seconds:.0f} s did not settle every check"
    return _stop("requests", Decision.INSUFFICIENT, reason, observed.requests)


def _awaited(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """A promotion waits for the candidate's full size as long as a start does: a cluster may have no room for it."""
    if reached(plan, observed, ALL) or now - state.since < plan.start_within:
        return state
    seconds, size = plan.start_within.total_seconds(), replicas_for(plan, observed, ALL)
    reason = f"the candidate's {size} replicas were not ready within {seconds:.0f} s"
    stop = _stop("ready", Decision.FAIL, f"{reason}: {observed.arm(CANDIDATE).ready} were", False)
    return _go_back(state, now, checks=(*state.checks, stop))


def _promoting(observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """The candidate is champion: what is left is to remove the old one."""
    left = observed.arm(CHAMPION).replicas or observed.arm(BASELINE).replicas
    phase = Phase.PROMOTING if left else Phase.PROMOTED
    return state if phase is state.phase else _enter(state, phase, state.step, now)


def _rolling_back(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """It has ended when the candidate is gone and the champion, if there is one, carries everything."""
    back = not observed.weights.get(CANDIDATE, 0)
    if state.back_at is None and back:
        state = state.model_copy(update={"back_at": now})
    gone = back and not observed.arm(CANDIDATE).replicas and not observed.arm(BASELINE).replicas
    whole = observed.champion_digest is None or observed.weights == {CHAMPION: ALL}
    return _enter(state, Phase.ROLLED_BACK, state.step, now) if gone and whole else state


def _promote(state: RolloutState, now: datetime, checks: tuple[Check, ...]) -> RolloutState:
    update = {"checks": checks, "decided_at": now, "decided_weight": ALL}
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
    paused_at = now if state.paused_at and phase in PAUSABLE else None
    return state.model_copy(update={"phase": phase, "step": step, "since": now, "paused_at": paused_at})


def _actions(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[Action, ...]:
    """In an order that is safe to stop after each: replicas grow, traffic moves, the record follows, replicas go.

    The route is written before an arm goes even where it looks right: a write that is still on its way, decided by an
    older record, then meets a newer route and is refused.
    """
    removed = _removed(plan, observed, state)
    moves = (SetWeights(state.weights),) if removed or dict(observed.weights) != state.weights else ()
    return (*_grown(plan, observed, state), *moves, *_switched(plan, observed, state), *removed)


def _grown(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[Action, ...]:
    """Replicas for what the phase asks for; an arm that is wanted is never made smaller while the rollout goes on."""
    if state.ended:
        return ()
    keep = _kept(plan, observed, state)
    grown = {
        arm: size
        for arm, size in sizes(plan, observed, state).items()
        if arm in keep and observed.arm(arm).replicas < size
    }
    return tuple(ScaleArm(arm, size) for arm, size in grown.items())


def _kept(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[str, ...]:
    """The arms that have a part in the present phase."""
    if state.phase is Phase.ROLLING_BACK:
        return (CHAMPION,)
    if observed.champion_generation == plan.generation:
        return (CANDIDATE,)
    return _ARMS


def _switched(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[Action, ...]:
    """The candidate is named champion when it is seen to carry everything."""
    due = state.phase is Phase.PROMOTING and observed.champion_generation != plan.generation
    return (SwitchChampion(),) if due and reached(plan, observed, ALL) else ()


def _removed(plan: RolloutPlan, observed: Observed, state: RolloutState) -> tuple[Action, ...]:
    """Arms that have no part any more go when they are seen to carry nothing."""
    if state.ended:
        return ()
    gone = [arm for arm in _ARMS if arm not in _kept(plan, observed, state)]
    if BASELINE not in gone and BASELINE not in sizes(plan, observed, state):
        gone.append(BASELINE)
    if CHAMPION in gone and not reached(plan, observed, ALL):
        gone.remove(CHAMPION)
    return tuple(RemoveArm(arm) for arm in gone if observed.arm(arm).replicas and not observed.weights.get(arm, 0))


def _first_champion() -> Assertion:
    return Assertion(metric="first_champion", value=True, decision=Decision.PASS, reason="first champion, no canary")


def _stop(metric: str, decision: Decision, reason: str, value: int | bool | None = None) -> Assertion:
    return Assertion(metric=metric, value=value, decision=decision, reason=reason)


def worst(checks: tuple[Check, ...]) -> Comparison | Assertion | None:
    """The check that decided, for a line of text."""
    decision = decide(checks)
    return next((check for check in checks if check.decision is decision), None)
