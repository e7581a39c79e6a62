"""What may happen to a record, as pure functions: a plan is submitted, begun, aborted, ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pressrun.rollout.evidence import Window
from pressrun.rollout.machine import worst
from pressrun.rollout.overridden import overridden, overridden_checks
from pressrun.rollout.split import candidate_share, in_words
from pressrun.rollout.types import (
    CANDIDATE,
    Event,
    EventKind,
    Intent,
    Outcome,
    Phase,
    RolloutPlan,
    RolloutRecord,
    RolloutState,
    Traffic,
    Wish,
)
from pressrun.verdict import Verdict
from pressrun.verdict.policy import policy_digest

# An hour of minutes: longer than a controller is away without anybody's notice.
MOST_REPORTED = 60
# In characters: a resource in a cluster may have about a megabyte, and whoever steps in must never be refused for it.
MOST_OF_ACTOR, MOST_OF_REASON = 64, 500


def told(
    record: RolloutRecord, kind: EventKind, text: str, now: datetime, *, generation: int | None = None, **more: Any
) -> RolloutRecord:
    """The record with one more event in its history."""
    present = record.plan.generation if record.plan else 0
    event = Event(at=now, generation=present if generation is None else generation, kind=kind, text=text, **more)
    return record.model_copy(update={"history": (*record.history, event)})


def known_generation(record: RolloutRecord, step_key: str) -> int | None:
    """The generation that stands for this step already; None if there is none, or an abort has spent it."""
    plans: list[RolloutPlan] = [*reversed(record.queue), *([record.plan] if record.plan else [])]
    for plan in plans:
        if plan.step_key == step_key and not record.abort_of(plan.generation):
            return plan.generation
    ended = next((outcome for outcome in reversed(record.outcomes) if outcome.step_key == step_key), None)
    return None if ended is None or ended.aborted else ended.generation


def submitted(record: RolloutRecord, plan: RolloutPlan, now: datetime) -> RolloutRecord:
    """The record with `plan` begun or queued; the same attempt of its step a second time changes nothing."""
    if _stands(record, plan):
        return record
    generation = record.generations + 1
    plan = plan.model_copy(update={"generation": generation, "attempt": plan.attempt or generation})
    text = f"version {plan.candidate.version} by {plan.step_key}"
    record = record.model_copy(update={"generations": plan.generation, "queue": (*record.queue, plan)})
    return begun(told(record, "submitted", text, now, generation=plan.generation), now)


def _stands(record: RolloutRecord, plan: RolloutPlan) -> bool:
    """Whether the step is known here; the leading cluster's new attempt of it is not, whatever became of the last."""
    known = known_generation(record, plan.step_key)
    if known is None or not plan.attempt:
        return known is not None
    last = next((outcome for outcome in record.outcomes if outcome.generation == known), None)
    return last is None or last.attempt == plan.attempt


def begun(record: RolloutRecord, now: datetime) -> RolloutRecord:
    """The record with the next queued plan begun, when none is under way."""
    if record.active or not record.queue or ended(record, now) != record:
        return record
    begin = {"plan": record.queue[0], "queue": record.queue[1:], "intents": (), "submitted_at": now}
    return record.model_copy(update={**begin, **fresh(now)})


def fresh(now: datetime) -> dict[str, Any]:
    """What a rollout that begins knows of itself: nothing of the one before."""
    return {
        "state": RolloutState(since=now),
        "traffic": Traffic(),
        "evidence": None,
        "readings": {},
        "reported": (),
        "last_words": (),
    }


def aborted(record: RolloutRecord, *, actor: str, reason: str, step_key: str, now: datetime) -> RolloutRecord:
    """The record with one intent to abort the step's rollout under way; unchanged when there is none."""
    record = _without_queued(record, step_key)
    if record.plan is None or record.plan.step_key != step_key:
        return record
    return wished(record, "abort", actor=actor, reason=reason, now=now)


def wished(record: RolloutRecord, wish: Wish, *, actor: str, reason: str, now: datetime) -> RolloutRecord:
    """The record with one more intent for the rollout under way; unchanged when there is none, or it stands already.

    Of pauses and resumes the last two are kept, as the last one alone holds; long words are cut.
    """
    if record.plan is None or not record.active:
        return record
    generation = record.plan.generation
    mine = [intent.wish for intent in record.intents if intent.generation == generation]
    held = [each for each in mine if each in ("pause", "resume")][-1:]
    stands = held == [wish] if wish in ("pause", "resume") else wish in mine
    if stands or (wish == "resume" and not held):
        return record
    actor, reason = _cut(actor, MOST_OF_ACTOR), _cut(reason, MOST_OF_REASON)
    intent = Intent(generation=generation, wish=wish, actor=actor, reason=reason, at=now)
    update = {"intents": _bounded((*record.intents, intent))}
    return told(record.model_copy(update=update), "intent", _asked(wish, actor, reason), now)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _bounded(intents: tuple[Intent, ...]) -> tuple[Intent, ...]:
    held = [at for at, intent in enumerate(intents) if intent.wish in ("pause", "resume")]
    return tuple(intent for at, intent in enumerate(intents) if at not in held[:-2])


def reported(record: RolloutRecord, windows: Sequence[Window], *, generation: int) -> RolloutRecord:
    """The record with windows that its controller cannot count itself, each once and the newest `MOST_REPORTED`.

    Unchanged unless that generation is under way and its budgets name an outcome.
    """
    plan = record.plan
    if plan is None or not record.active or plan.generation != generation or not plan.policy.budgets.outcomes:
        return record
    known = {window.source: window.sequence for window in record.reported}
    new = [window for window in windows if window.sequence > known.get(window.source, -1)]
    return record.model_copy(update={"reported": (*record.reported, *new)[-MOST_REPORTED:]}) if new else record


def switched(record: RolloutRecord, plan: RolloutPlan, now: datetime) -> RolloutRecord:
    """The record with the plan's candidate as champion, if the plan is still the one under way, and promoting.

    A controller that was away may not name a candidate that another one has sent back meanwhile.
    """
    if record.plan is None or record.plan.generation != plan.generation:
        return record
    if record.state is None or record.state.phase is not Phase.PROMOTING:
        return record
    update = {
        "champion": plan.candidate,
        "champion_generation": plan.generation,
        "champion_deploy": plan.deploy,
        "former_generation": record.champion_generation,
    }
    return told(record.model_copy(update=update), "champion", f"version {plan.candidate.version}", now)


def noticed(record: RolloutRecord, now: datetime) -> RolloutRecord:
    """The record with a line of history for what was asked for by somebody who may not write history."""
    if record.plan is None or not record.active:
        return record
    generation = record.plan.generation
    mine = {(event.kind, event.text) for event in record.history if event.generation == generation}
    if not any(kind == "submitted" for kind, _ in mine):
        text = f"version {record.plan.candidate.version} by {record.plan.step_key}"
        record = told(record, "submitted", text, now)
    for intent in record.intents:
        text = _asked(intent.wish, intent.actor, intent.reason)
        if intent.generation == generation and ("intent", text) not in mine:
            record = told(record, "intent", text, now)
    return record


def _asked(wish: Wish, actor: str, reason: str) -> str:
    return f"{wish} by {actor}: {reason}"


def ended(record: RolloutRecord, now: datetime) -> RolloutRecord:
    """The record with the outcome of the rollout that has just ended.

    The next plan begins in a write of its own (`begun`): where plan and outcome are kept apart, a crash between the two
    would lose the outcome.
    """
    plan, state = record.plan, record.state
    if (
        plan is None
        or state is None
        or not state.ended
        or any(o.generation == plan.generation for o in record.outcomes)
    ):
        return record
    return record.model_copy(update={"outcomes": (*record.outcomes, _outcome(record, plan, state, now))})


def _outcome(record: RolloutRecord, plan: RolloutPlan, state: RolloutState, now: datetime) -> Outcome:
    decided, back = state.decided_at, state.back_at
    return Outcome(
        generation=plan.generation,
        attempt=plan.attempt,
        step_key=plan.step_key,
        phase=state.phase,
        aborted=state.aborted is not None,
        at=now,
        seconds=(now - (record.submitted_at or now)).total_seconds(),
        back_seconds=(back - decided).total_seconds() if back and decided else None,
        weight=_weight(plan, state),
        traffic=record.traffic,
        verdict=verdict_of(plan, state),
        last_words=record.last_words if state.phase is Phase.ROLLED_BACK else (),
    )


def _weight(plan: RolloutPlan, state: RolloutState) -> int:
    """The candidate's share when it was decided."""
    if state.phase is Phase.PROMOTED:
        return 100
    return state.decided_weight


def verdict_of(plan: RolloutPlan, state: RolloutState) -> Verdict:
    """The canary's verdict: the checks that decided."""
    return Verdict(
        kind="canary",
        pipeline=plan.pipeline,
        step_key=plan.step_key,
        checks=(*overridden_checks(plan), *state.checks),
        model_version=plan.candidate.version,
        model_digest=plan.candidate.digest,
        champion_version=plan.champion.version if plan.champion else None,
        champion_digest=plan.champion.digest if plan.champion else None,
        dataset=f"predictions of {plan.model} in rollout generation {plan.generation}" if plan.champion else None,
        policy_digest=policy_digest(plan.policy),
        synthetic=plan.synthetic,
        notes=tuple(note for note in (overridden(plan), state.aborted) if note),
    )


def moved(record: RolloutRecord, state: RolloutState, now: datetime) -> RolloutRecord:
    """The record in its new state, with a line of history for each thing that can be seen to change."""
    old, plan = record.state, record.plan
    record = record.model_copy(update={"state": state})
    if old is None or plan is None:
        return record
    if (old.phase, old.step) != (state.phase, state.step):
        record = told(record, "phase", _phase_text(plan, state), now, weight=candidate_share(plan, state))
    if old.weights != state.weights:
        text = in_words(state.weights) or "no arm is ready"
        record = told(record, "weights", text, now, weight=state.weights.get(CANDIDATE, 0))
    return record


def _phase_text(plan: RolloutPlan, state: RolloutState) -> str:
    if state.phase is Phase.STEPPING:
        return f"{plan.policy.steps[state.step]}% of the traffic"
    reason = worst(state.checks) if state.phase is Phase.ROLLING_BACK else None
    return f"{state.phase.value.replace('_', ' ')}{': ' + reason.reason if reason else ''}"


def _without_queued(record: RolloutRecord, step_key: str) -> RolloutRecord:
    queue = tuple(plan for plan in record.queue if plan.step_key != step_key)
    return record if len(queue) == len(record.queue) else record.model_copy(update={"queue": queue})
