"""Whether a person lets a gate's verdict stand aside, so that the rollout may be planned."""

from __future__ import annotations

from datetime import datetime

from pressrun.lake.overrides import in_force, overrides_of
from pressrun.step import Step
from pressrun.verdict import Decision, Override, Verdict

# An error says nothing of the model: there is nothing to know better.
OVERRIDABLE = (Decision.FAIL, Decision.INSUFFICIENT)


def override_of(step: Step, verdict: Verdict | None, now: datetime) -> Override | None:
    """The override in force by which a gate's verdict that is no pass lets the rollout be planned; None without."""
    if verdict is None or verdict.decision not in OVERRIDABLE:
        return None
    return in_force(step.lake, pipeline=step.pipeline.model, verdict_id=verdict.verdict_id, now=now)


def remedy(step: Step, verdict: Verdict | None, now: datetime) -> str:
    """What a person can do about a verdict that lets nothing ship."""
    if verdict is None or verdict.decision not in OVERRIDABLE:
        return "mend what its checks name and run the gate again"
    spent = [o for o in overrides_of(step.lake, pipeline=step.pipeline.model) if o.verdict_id == verdict.verdict_id]
    expired = [f"{o.actor}'s override of it has expired on {_time(o.expiry)}; " for o in spent if o.expiry <= now]
    command = f"pressrun override {verdict.verdict_id[:8]} --by NAME --reason TEXT --until 2h"
    return f"{expired[-1] if expired else ''}who knows better overrides it: {command}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
