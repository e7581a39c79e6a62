"""A person stops the rollout that is under way, whichever step it is of."""

from __future__ import annotations

from datetime import UTC, datetime

from pressrun.config.environment import Environment
from pressrun.rollout.changes import aborted
from pressrun.rollout.record import RecordStore
from pressrun.rollout.types import RolloutPlan, RolloutRecord


def abort_current(environment: Environment, model: str, *, actor: str, reason: str) -> RolloutPlan | None:
    """Writes one intent to abort the rollout under way and returns its plan; None when there is none to stop.

    The intent binds the generation that was under way: one that begins meanwhile goes on. A second intent for the
    same rollout changes nothing.
    """
    store = RecordStore(environment)
    record = store.read(model)
    if record is None or record.plan is None or not record.active:
        return None
    plan = record.plan

    def change(present: RolloutRecord) -> RolloutRecord:
        if present.plan is None or present.plan.generation != plan.generation:
            return present
        now = datetime.now(UTC)
        return aborted(present, actor=actor, reason=reason, step_key=plan.step_key, now=now)

    intent = store.update(model, change).abort
    return plan if intent is not None and intent.generation == plan.generation else None
