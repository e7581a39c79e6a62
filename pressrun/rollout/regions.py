"""A rollout over several clusters: the first one leads, the others follow, and one that fails takes all back.

Each cluster's own controller rolls out and back by itself. Here stands only what they cannot know of each other; it is
asked again and again by whoever waits, and losing that one is safe: every candidate then stays in its bake, with the
old champion warm and all checks on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pressrun.rollout.types import Outcome, Phase, RolloutPlan, RolloutRecord, Wish

ACTOR = "pressrun"
Standing = Mapping[str, RolloutRecord | None]


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Let the cluster have the plan too."""

    cluster: str


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Let the cluster's rollout of the step hear this."""

    cluster: str
    wish: Wish
    reason: str


def next_moves(standing: Standing, step_key: str, *, unknown: Collection[str] = ()) -> tuple[Submit | Ask, ...]:
    """What to do about the step's rollouts; nothing when all is as it should be. The first cluster leads.

    `unknown` did not answer, their records are None: nothing is asked of them, and nothing released until they do.
    """
    failed = next((name for name, record in standing.items() if _ended(record, step_key) is Phase.ROLLED_BACK), None)
    if failed is not None:
        others = [name for name, record in standing.items() if _plan(record, step_key)]
        return tuple(Ask(cluster=name, wish="abort", reason=f"{failed} rolled back") for name in others)
    if all(_settled(record, step_key) for record in standing.values()):
        waiting = [name for name, record in standing.items() if _plan(record, step_key)]
        return tuple(Ask(cluster=name, wish="release", reason="every cluster is in its bake") for name in waiting)
    lead, *rest = standing
    if not _settled(standing[lead], step_key):
        return ()
    return tuple(Submit(cluster=name) for name in rest if name not in unknown and not _knows(standing[name], step_key))


def ended_everywhere(standing: Standing, step_key: str) -> dict[str, Outcome]:
    """Each cluster's outcome of the step, once none has anything left to do; else empty.

    After a failure the clusters that never had the plan do not get it.
    """
    under_way = any(_plan(record, step_key) for record in standing.values())
    found = {name: outcome for name, record in standing.items() if (outcome := outcome_of(record, step_key))}
    failed = any(outcome.phase is Phase.ROLLED_BACK for outcome in found.values())
    return found if not under_way and found and (failed or len(found) == len(standing)) else {}


def outcome_of(record: RolloutRecord | None, step_key: str) -> Outcome | None:
    """The newest outcome of the step there."""
    return next((o for o in reversed(record.outcomes if record else ()) if o.step_key == step_key), None)


def _ended(record: RolloutRecord | None, step_key: str) -> Phase | None:
    outcome = outcome_of(record, step_key)
    return outcome.phase if outcome and not _plan(record, step_key) else None


def _plan(record: RolloutRecord | None, step_key: str) -> RolloutPlan | None:
    """The step's plan that is under way or queued there."""
    if record is None:
        return None
    plans = [*record.queue, *([record.plan] if record.plan and record.active else [])]
    return next((plan for plan in plans if plan.step_key == step_key), None)


def _knows(record: RolloutRecord | None, step_key: str) -> bool:
    return _plan(record, step_key) is not None or outcome_of(record, step_key) is not None


def _settled(record: RolloutRecord | None, step_key: str) -> bool:
    """In its bake or beyond."""
    if record is None or not _knows(record, step_key):
        return False
    plan = _plan(record, step_key)
    if plan is None:
        return _ended(record, step_key) is Phase.PROMOTED
    begun = record.plan is not None and record.plan.step_key == step_key and record.state is not None
    return begun and record.state is not None and record.state.phase in (Phase.BAKING, Phase.PROMOTING)
