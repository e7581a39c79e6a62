"""What Airflow, the command line and people do with rollouts. None of it needs the supervisor to be up."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from pressrun.config.environment import Environment
from pressrun.lake.types import StageResult
from pressrun.registry import ModelRef, RegistryError, follow
from pressrun.rollout.changes import aborted, known_generation, submitted
from pressrun.rollout.overriding import override_of, remedy
from pressrun.rollout.record import RecordStore
from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm, Outcome, Phase, RolloutPlan, RolloutRecord
from pressrun.step import Step, run_once
from pressrun.verdict import Decision, Verdict

STAGE = "rollout"
BEHIND = "MLflow's aliases do not follow yet: it did not answer. The drift DAG's reconcile moves them."
_log = logging.getLogger(__name__)


class NotShippable(Exception):
    """The gate did not pass this model; a retry does not help, a better candidate does."""


class RolloutNotEnded(Exception):
    """The rollout is still under way; asking again later helps."""


def make_plan(step: Step, trained: StageResult, gated: StageResult, champion: ModelRef | None) -> RolloutPlan:
    """The plan for the trained candidate.

    Raises NotShippable unless the gate passed it, or a person's override of the gate's verdict is in force, and unless
    the champion is still the one that the gate compared with.
    """
    verdict, candidate, now = gated.verdict, ModelRef.model_validate(trained.facts["model"]), _now()
    passed = verdict is not None and verdict.decision is Decision.PASS
    override = None if passed else override_of(step, verdict, now)
    if verdict is None or not (passed or override):
        said = verdict.decision.value if verdict else "nothing"
        refused = f"the gate said {said} of {candidate.name} version {candidate.version}: no rollout"
        raise NotShippable(f"{refused}; {remedy(step, verdict, now)}")
    if not _submitted(step) and verdict.champion_digest != (champion.digest if champion else None):
        raise NotShippable(_other_champion(verdict, champion))
    arms = [Arm(name=CHAMPION, model=champion)] if champion else []
    return RolloutPlan(
        model=step.pipeline.model,
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        arms=(*arms, Arm(name=CANDIDATE, model=candidate)),
        policy=step.pipeline.rollout,
        gate_verdict=verdict.verdict_id,
        gate_decision=verdict.decision,
        override=override,
        synthetic=verdict.synthetic,
    )


def _submitted(step: Step) -> bool:
    """Whether this step's rollout is recorded: a retry finds it, also when it has changed the champion meanwhile."""
    record = status(step.environment, step.pipeline.model)
    return record is not None and known_generation(record, str(step.key)) is not None


def _other_champion(verdict: Verdict, champion: ModelRef | None) -> str:
    gated = f"v{verdict.champion_version}" if verdict.champion_version else "no champion"
    now = f"v{champion.version}" if champion else "none"
    return f"the gate compared with {gated}, and {now} serves now: clear the gate's task, so that it judges again"


def submit(environment: Environment, plan: RolloutPlan) -> str:
    """Hands the plan to the supervisor and returns the rollout's generation.

    The same step twice gets the same rollout. After an abort of it, a new one, which begins once the old is back.
    """
    record = RecordStore(environment).update(plan.model, lambda present: submitted(present, plan, _now()))
    return str(known_generation(record, plan.step_key))


def status(environment: Environment, model: str) -> RolloutRecord | None:
    """All that is recorded of the model's rollouts; None before the first."""
    return RecordStore(environment).read(model)


def served(environment: Environment, model: str) -> ModelRef | None:
    """The champion that the router serves: the truth that gates compare with and MLflow's aliases follow."""
    record = status(environment, model)
    return record.champion if record else None


def abort(environment: Environment, model: str, *, actor: str, reason: str, step_key: str) -> bool:
    """Asks for the step's rollout to go back; True if there was one to stop. It changes no other step's rollout."""
    before = status(environment, model)

    def change(record: RolloutRecord) -> RolloutRecord:
        return aborted(record, actor=actor, reason=reason, step_key=step_key, now=_now())

    return before is not None and RecordStore(environment).update(model, change).version != before.version


def outcome(environment: Environment, model: str, step_key: str) -> Outcome | None:
    """How the step's rollout ended; None while it has not."""
    record = status(environment, model)
    if record is None:
        return None
    generation = known_generation(record, step_key)
    mine = [o for o in record.outcomes if o.step_key == step_key and generation in (None, o.generation)]
    under_way = any(plan.step_key == step_key for plan in record.queue) or (
        record.active and record.plan is not None and record.plan.step_key == step_key
    )
    return mine[-1] if mine and not under_way else None


def finish(step: Step, trained: StageResult, gated: StageResult) -> StageResult:
    """The ended rollout as a result with its canary verdict; MLflow's aliases follow what is served.

    Raises RolloutNotEnded while it is under way.
    """
    model = step.pipeline.model
    ended = outcome(step.environment, model, str(step.key))
    if ended is None:
        raise RolloutNotEnded(_what_now(step, model))
    inputs = {"step": str(step.key), "generation": str(ended.generation)}
    return run_once(
        step, stage=STAGE, inputs=inputs, section=step.pipeline.rollout, work=lambda: _result(step, trained, ended)
    )


def _result(step: Step, trained: StageResult, ended: Outcome) -> StageResult:
    facts = {"model": trained.facts.get("model"), **facts_of(ended)}
    return StageResult(stage=STAGE, step_key=str(step.key), verdict=_noted(step, ended.verdict), facts=facts)


def _noted(step: Step, verdict: Verdict) -> Verdict:
    """Traffic has moved by now: an MLflow that is away cannot undo that, nor may it fail the step."""
    try:
        reconcile_aliases(step.environment, step.pipeline.model)
    except RegistryError as error:
        _log.warning("MLflow's aliases do not follow yet: %s", error)
        return verdict.model_copy(update={"notes": (*verdict.notes, BEHIND)})
    return verdict


def reconcile_aliases(environment: Environment, model: str) -> tuple[str, ...]:
    """Points MLflow's aliases at what is served, and says what it moved; without a champion it leaves them alone.

    Raises RegistryError.
    """
    champion = served(environment, model)
    return follow(environment, champion) if champion else ()


def facts_of(ended: Outcome) -> dict[str, Any]:
    """What people want to know of an ended rollout, in plain values."""
    return {
        "generation": ended.generation,
        "promoted": ended.phase is Phase.PROMOTED,
        "aborted": ended.aborted,
        "weight": ended.weight,
        "seconds": round(ended.seconds, 1),
        "rollback_seconds": ended.back_seconds,
        "requests": ended.traffic.requests,
        "errors": ended.traffic.errors,
        "retried": ended.traffic.retried,
        "lost": ended.traffic.lost,
        "shadowed_pairs": ended.traffic.pairs,
    }


def _what_now(step: Step, model: str) -> str:
    record = status(step.environment, model)
    if record is None or record.plan is None or record.state is None:
        return f"{model} has no rollout for {step.key}: submit it first"
    return f"the rollout of {model} (generation {record.plan.generation}) is {record.state.phase.value}: wait for it"


def _now() -> datetime:
    return datetime.now(UTC)
