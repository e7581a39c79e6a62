"""A rollout over several clusters: the first one leads, the others follow, and one that fails takes all back.

Each cluster's own controller rolls out and back by itself. Here stands only what they cannot know of each other; it is
asked again and again by whoever waits, and losing that one is safe: every candidate then stays in its bake, with the
old champion warm and all checks on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm, Outcome, Phase, RolloutPlan, RolloutRecord, Wish

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


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A cluster's part in a step's newest attempt: the plan while it waits or is under way, then how it ended."""

    plan: RolloutPlan | None = None
    phase: Phase | None = None
    outcome: Outcome | None = None

    @property
    def known(self) -> bool:
        return self.plan is not None or self.outcome is not None

    @property
    def end(self) -> Phase | None:
        return self.outcome.phase if self.outcome and not self.plan else None

    @property
    def settled(self) -> bool:
        """In its bake or beyond."""
        return self.end is Phase.PROMOTED or self.phase in (Phase.BAKING, Phase.PROMOTING)


def next_moves(standing: Standing, step_key: str, *, unknown: Collection[str] = ()) -> tuple[Submit | Ask, ...]:
    """What to do about the step's rollouts; nothing when all is as it should be. The first cluster leads.

    `unknown` did not answer, their records are None: nothing is asked of them, and nothing released until they do.
    """
    parts = _parts(standing, step_key)
    under_way = [name for name, part in parts.items() if part.plan]
    failed = next((name for name, part in parts.items() if part.end is Phase.ROLLED_BACK), None)
    if failed is not None:
        return tuple(Ask(cluster=name, wish="abort", reason=f"{failed} rolled back") for name in under_way)
    if all(part.settled for part in parts.values()):
        return tuple(Ask(cluster=name, wish="release", reason="every cluster is in its bake") for name in under_way)
    lead, *rest = parts
    if not parts[lead].settled:
        return ()
    return tuple(Submit(cluster=name) for name in rest if name not in unknown and not parts[name].known)


def plan_for(plan: RolloutPlan, record: RolloutRecord | None) -> RolloutPlan:
    """The plan as that cluster gets it: against the champion that serves there.

    It may be another than the leading cluster's, where a rollout failed after the others were released, or none yet in
    a cluster that came later. So clusters that differ come together at the next promotion.
    """
    champion = record.champion if record else None
    ours = tuple(
        arm if arm.name == CANDIDATE or champion is None else arm.model_copy(update={"model": champion})
        for arm in plan.arms
        if arm.name == CANDIDATE or champion is not None
    )
    there = (Arm(name=CHAMPION, model=champion),) if champion and plan.champion is None else ()
    return plan.model_copy(update={"arms": (*there, *ours)})


def ended_everywhere(standing: Standing, step_key: str) -> dict[str, Outcome]:
    """Each cluster's outcome of the step, once none has anything left to do; else empty.

    After a failure the clusters that never had the plan do not get it.
    """
    parts = _parts(standing, step_key)
    found = {name: part.outcome for name, part in parts.items() if part.outcome}
    failed = any(outcome.phase is Phase.ROLLED_BACK for outcome in found.values())
    whole = found and (failed or len(found) == len(parts)) and not any(part.plan for part in parts.values())
    return found if whole else {}


def _parts(standing: Standing, step_key: str) -> dict[str, _Part]:
    """What an earlier attempt left in a cluster says nothing of this one, which the leading cluster numbers."""
    attempts = [one.attempt for record in standing.values() if record for one in _of_step(record, step_key)]
    newest = max(attempts, default=0)
    return {name: _part(record, step_key, newest) for name, record in standing.items()}


def _part(record: RolloutRecord | None, step_key: str, attempt: int) -> _Part:
    if record is None:
        return _Part()
    mine = [one for one in _of_step(record, step_key) if one.attempt == attempt]
    plan = next((one for one in mine if isinstance(one, RolloutPlan)), None)
    outcome = next((one for one in mine if isinstance(one, Outcome)), None)
    begun = plan is not None and plan == record.plan and record.state is not None
    return _Part(plan=plan, phase=record.state.phase if begun and record.state else None, outcome=outcome)


def _of_step(record: RolloutRecord, step_key: str) -> list[RolloutPlan | Outcome]:
    """The step's plans that wait or are under way, and its outcomes, the newest first."""
    plans = [*record.queue, *([record.plan] if record.plan and record.active else [])]
    found: list[RolloutPlan | Outcome] = [*plans, *reversed(record.outcomes)]
    return [one for one in found if one.step_key == step_key]
