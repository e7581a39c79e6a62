"""What Airflow, the command line and people do with rollouts. None of it needs the supervisor to be up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pressrun.config.environment import Environment
from pressrun.lake.types import StageResult
from pressrun.registry import ModelRef, RegistryError, follow
from pressrun.rollout.changes import aborted, known_generation, submitted, wished
from pressrun.rollout.everywhere import Everywhere
from pressrun.rollout.outcomes import report
from pressrun.rollout.publish import publish
from pressrun.rollout.records import Records, leading
from pressrun.rollout.regions import ACTOR, Ask, Standing, Submit, ended_everywhere, next_moves, plan_for
from pressrun.rollout.telling import News, news
from pressrun.rollout.types import Outcome, Phase, RolloutPlan, RolloutRecord, Wish
from pressrun.step import Step, run_once
from pressrun.verdict import Verdict

STAGE = "rollout"
BEHIND = "MLflow's aliases do not follow yet: it did not answer. The drift DAG's reconcile moves them."
_log = logging.getLogger(__name__)


class RolloutNotEnded(Exception):
    """The rollout is still under way; asking again later helps."""


def submit(environment: Environment, plan: RolloutPlan) -> str:
    """Hands the plan to the supervisor and returns the rollout's generation.

    The same step twice gets the same rollout. After an abort of it, a new one, which begins once the old is back.
    """
    record = leading(environment).update(plan.model, lambda present: submitted(present, plan, _now()))
    return str(known_generation(record, plan.step_key))


def status(environment: Environment, model: str) -> RolloutRecord | None:
    """All that is recorded of the model's rollouts; None before the first. Of several clusters the first one leads."""
    return leading(environment).read(model)


def served(environment: Environment, model: str) -> ModelRef | None:
    """The champion that the router serves: the truth that gates compare with and MLflow's aliases follow."""
    record = status(environment, model)
    return record.champion if record else None


def abort(environment: Environment, model: str, *, actor: str, reason: str, step_key: str) -> bool:
    """Asks for the step's rollout to go back; True if there was one to stop. It changes no other step's rollout.

    Raises Unreachable or Refused, naming the clusters that did not hear it, once every one was tried.
    """

    def change(record: RolloutRecord) -> RolloutRecord:
        return aborted(record, actor=actor, reason=reason, step_key=step_key, now=_now())

    def stop(records: Records) -> bool:
        before = records.read(model)
        return before is not None and records.update(model, change).version != before.version

    where = Everywhere(environment)
    stopped = where.ask_all(stop)
    where.confess()
    return any(stopped.values())


def outcome(environment: Environment, model: str, step_key: str) -> Outcome | None:
    """How the step's rollout ended; None while it has not, or a cluster is silent. Of several the failed one tells."""
    where = Everywhere(environment)
    standing = where.read(model)
    where.bear()
    ended = {} if where.failed else ended_everywhere(standing, step_key)
    back = [outcome for outcome in ended.values() if outcome.phase is Phase.ROLLED_BACK]
    decided = [outcome for outcome in back if not outcome.aborted]
    return next(iter([*decided, *back, *ended.values()]), None)


def carry_on(environment: Environment, model: str, step_key: str) -> None:
    """What clusters cannot know of each other, and a controller not of readers; whoever waits calls it ever again.

    Clusters that do not answer for now are left out, and no bake is released before they do.
    """
    where = Everywhere(environment)
    standing = where.read(model)
    if len(standing) == 1:
        _report_outcomes(environment, where, standing, step_key)
    else:
        _move(where, standing, model, step_key)
    where.bear()


def _move(where: Everywhere, standing: Standing, model: str, step_key: str) -> None:
    plan = next((r.plan for r in standing.values() if r and r.plan and r.plan.step_key == step_key), None)
    for move in next_moves(standing, step_key, unknown=tuple(where.failed)):
        match move:
            case Submit(cluster=name) if plan is not None:
                change = partial(submitted, plan=plan_for(plan, standing[name]), now=_now())
            case Ask(cluster=name, wish=wish, reason=reason):
                change = partial(asked_of, step_key=step_key, wish=wish, reason=reason, now=_now())
            case _:
                continue
        where.ask(name, partial(_updated, model=model, change=change))


def _updated(records: Records, *, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord:
    return records.update(model, change)


def _report_outcomes(environment: Environment, where: Everywhere, standing: Standing, step_key: str) -> None:
    for name, record in standing.items():
        if record and record.active and record.plan and record.plan.step_key == step_key:
            where.ask(name, partial(report, environment, record=record, now=_now()))


def asked_of(record: RolloutRecord, *, step_key: str, wish: Wish, reason: str, now: datetime) -> RolloutRecord:
    """The record with Pressrun's own wish for the step's rollout under way; an abort takes back one that waits, too."""
    if wish == "abort":
        return aborted(record, actor=ACTOR, reason=reason, step_key=step_key, now=now)
    if record.plan is None or record.plan.step_key != step_key:
        return record
    return wished(record, wish, actor=ACTOR, reason=reason, now=now)


def news_of(environment: Environment, model: str, step_key: str) -> tuple[News, ...]:
    """What there is to tell people of the step's rollouts so far, in every place, the oldest first."""
    return news(Everywhere(environment).read(model), step_key)


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
    verdict = _noted(step, publish(step, _record_of(step, ended), ended, trained))
    return StageResult(stage=STAGE, step_key=str(step.key), verdict=verdict, facts=facts)


def _record_of(step: Step, ended: Outcome) -> RolloutRecord:
    """Of several clusters' records the one that tells how it ended."""
    where = Everywhere(step.environment)
    found = where.read(step.pipeline.model).values()
    where.confess()
    return next(r for r in found if r and any(o.verdict.verdict_id == ended.verdict.verdict_id for o in r.outcomes))


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
