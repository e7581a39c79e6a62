"""A person steps into the rollout that is under way, whichever step it is of: pause, resume, promote, force, abort."""

from __future__ import annotations

from datetime import UTC, datetime

from pressrun.config.environment import Environment
from pressrun.rollout.changes import wished
from pressrun.rollout.everywhere import Everywhere
from pressrun.rollout.records import Records
from pressrun.rollout.types import RolloutPlan, RolloutRecord, Wish


def intervene(environment: Environment, model: str, wish: Wish, *, actor: str, reason: str) -> RolloutPlan | None:
    """Writes one intent for the rollout under way and returns its plan; None when there is none. Of
    several clusters each one that has a rollout of the model hears it.

    The intent binds the generation that was under way: one that begins meanwhile goes on. The same wish a second time
    changes nothing. Raises Unreachable or Refused, naming the clusters that did not hear it, once every one was tried.
    """
    where = Everywhere(environment)
    heard = where.ask_all(lambda records: _intervene(records, model, wish, actor, reason))
    where.confess()
    return next((plan for plan in heard.values() if plan is not None), None)


def _intervene(records: Records, model: str, wish: Wish, actor: str, reason: str) -> RolloutPlan | None:
    record = records.read(model)
    if record is None or record.plan is None or not record.active:
        return None
    plan = record.plan

    def change(present: RolloutRecord) -> RolloutRecord:
        if present.plan is None or present.plan.generation != plan.generation:
            return present
        return wished(present, wish, actor=actor, reason=reason, now=datetime.now(UTC))

    after = records.update(model, change)
    return plan if after.plan is not None and after.plan.generation == plan.generation else None
