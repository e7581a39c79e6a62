"""A gate's verdict that a person lets stand aside: the rollout goes on, and everything about it says so."""

from __future__ import annotations

from pressrun.rollout.types import RolloutPlan
from pressrun.verdict import OVERRIDDEN, Assertion, Decision, Override


def in_words(override: Override, decision: Decision | None) -> str:
    """Who overrode what the gate said, until when and why."""
    said = decision.value if decision else "verdict"
    return f"{override.actor} overrode the gate's {said} until {override.expiry:%Y-%m-%d %H:%M} UTC: {override.reason}"


def overridden(plan: RolloutPlan) -> str:
    """The same of this plan's gate; empty for a plan whose gate passed."""
    return in_words(plan.override, plan.gate_decision) if plan.override else ""


def overridden_checks(plan: RolloutPlan) -> tuple[Assertion, ...]:
    """The override as a check for information: it never decides the canary."""
    if plan.override is None:
        return ()
    decision = plan.gate_decision or Decision.INSUFFICIENT
    check = Assertion(
        metric=OVERRIDDEN,
        value=plan.override.actor,
        required=False,
        decision=decision,
        reason=overridden(plan),
    )
    return (check,)
