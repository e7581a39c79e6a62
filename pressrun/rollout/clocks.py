"""The clocks of a rollout's state: a step's, which stands still in a pause, and that of the candidate's absence."""

from __future__ import annotations

from datetime import datetime

from pressrun.rollout.seen import Observed
from pressrun.rollout.types import CANDIDATE, CHAMPION, Phase, RolloutPlan, RolloutState
from pressrun.rollout.wishes import intents_of

# A decision is carried out whatever is paused.
PAUSABLE = (Phase.STARTING, Phase.STEPPING, Phase.BAKING)
_NEEDED = (Phase.STEPPING, Phase.BAKING, Phase.PROMOTING)


def clocked(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    """The state at `now`, with its clocks told what is observed."""
    return _absence(plan, observed, _pause(plan, observed, state, now), now)


def is_absent(plan: RolloutPlan, observed: Observed, state: RolloutState) -> bool:
    """Whether the candidate has no replica ready that it needs, and the champion has.

    With none of either ready it is the place that is at fault: a cluster whose API was away calls all its pods unready.
    """
    comparable = plan.champion is None or bool(observed.arm(CHAMPION).ready)
    return state.phase in _NEEDED and not observed.arm(CANDIDATE).ready and comparable


def absent_for(state: RolloutState, now: datetime) -> float:
    """Seconds that the candidate had traffic to take and no replica ready to take it."""
    return state.unready_seconds + ((now - state.unready_since).total_seconds() if state.unready_since else 0.0)


def _pause(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    held = [intent.wish for intent in intents_of(plan, observed) if intent.wish in ("pause", "resume")]
    paused = held[-1:] == ["pause"] and state.phase in PAUSABLE
    if paused == (state.paused_at is not None):
        return state
    if paused:
        return state.model_copy(update={"paused_at": now})
    since = state.since + (now - (state.paused_at or now))
    return state.model_copy(update={"paused_at": None, "since": since})


def _absence(plan: RolloutPlan, observed: Observed, state: RolloutState, now: datetime) -> RolloutState:
    absent = is_absent(plan, observed, state)
    if absent == (state.unready_since is not None):
        return state
    since = now if absent else None
    return state.model_copy(update={"unready_since": since, "unready_seconds": absent_for(state, now)})
