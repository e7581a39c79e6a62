"""What people want of a rollout, read from their standing intents, and the words that stay on its verdict."""

from __future__ import annotations

from pressrun.rollout.seen import Observed
from pressrun.rollout.types import Intent, RolloutPlan
from pressrun.verdict import Assertion, Decision

_DONE = {
    "promote": "promoted",
    "force": "forced",
    "abort": "aborted",
    "pause": "paused",
    "resume": "resumed",
    "release": "released",
}


def intents_of(plan: RolloutPlan, observed: Observed) -> tuple[Intent, ...]:
    """The intents that bind this plan's generation."""
    return tuple(intent for intent in observed.intents if intent.generation == plan.generation)


def wanted(plan: RolloutPlan, observed: Observed, *wishes: str) -> Intent | None:
    """The first of these wishes that stands."""
    return next((intent for intent in intents_of(plan, observed) if intent.wish in wishes), None)


def in_words(intent: Intent) -> str:
    return f"{_DONE[intent.wish]} by {intent.actor}: {intent.reason}"


def recorded(intent: Intent) -> Assertion:
    """A promotion by a person as a check for information; a force counts as failed, so that nobody overlooks it."""
    decision = Decision.FAIL if intent.wish == "force" else Decision.PASS
    done = _DONE[intent.wish]
    return Assertion(metric=done, value=intent.actor, required=False, decision=decision, reason=in_words(intent))
