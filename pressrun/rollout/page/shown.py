"""The one rollout that a page shows: the present one of a record, or one that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from pressrun.rollout.evidence import Evidence
from pressrun.rollout.types import (
    Event,
    Intent,
    LastWords,
    Outcome,
    Phase,
    RolloutPlan,
    RolloutRecord,
    RolloutState,
    Traffic,
    Wish,
)
from pressrun.verdict import Check


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Everything known of the rollout. `plan`, `state` and `evidence` are gone once another one has begun."""

    model: str
    version: str
    against: str | None
    generation: int
    phase: Phase
    begin: datetime
    end: datetime
    plan: RolloutPlan | None
    state: RolloutState | None
    outcome: Outcome | None
    evidence: Evidence | None
    checks: tuple[Check, ...]
    traffic: Traffic
    events: tuple[Event, ...]
    intents: tuple[Intent, ...]
    last_words: tuple[LastWords, ...]
    synthetic: bool

    @property
    def back(self) -> bool:
        return self.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)

    def asked(self, wish: Wish) -> Intent | None:
        """The newest such wish."""
        return next((intent for intent in reversed(self.intents) if intent.wish == wish), None)


def present(record: RolloutRecord, now: datetime) -> Shown | None:
    """The record's newest rollout as it stands at `now`; None before the first one."""
    plan, state = record.plan, record.state
    if plan is None or state is None:
        return None
    ended = next((outcome for outcome in record.outcomes if outcome.generation == plan.generation), None)
    begin = record.submitted_at or state.since
    return Shown(
        model=record.model,
        version=plan.candidate.version,
        against=plan.champion.version if plan.champion else None,
        generation=plan.generation,
        phase=state.phase,
        begin=begin,
        end=max(ended.at if ended else now, begin),
        plan=plan,
        state=state,
        outcome=ended,
        evidence=record.evidence,
        checks=ended.verdict.checks if ended else state.checks,
        traffic=ended.traffic if ended else record.traffic,
        events=_events(record, plan.generation),
        intents=tuple(intent for intent in record.intents if intent.generation == plan.generation),
        last_words=ended.last_words if ended else record.last_words,
        synthetic=plan.synthetic,
    )


def past(record: RolloutRecord, outcome: Outcome) -> Shown:
    """A rollout that has ended. Once another has begun, what was only known while it was under way is left out."""
    if record.plan is not None and record.plan.generation == outcome.generation:
        found = present(record, outcome.at)
        assert found is not None
        return found
    events, verdict = _events(record, outcome.generation), outcome.verdict
    return Shown(
        model=record.model,
        version=verdict.model_version or "unknown",
        against=verdict.champion_version,
        generation=outcome.generation,
        phase=outcome.phase,
        begin=outcome.at - timedelta(seconds=outcome.seconds),
        end=outcome.at,
        plan=None,
        state=None,
        outcome=outcome,
        evidence=None,
        checks=verdict.checks,
        traffic=outcome.traffic,
        events=events,
        intents=tuple(intent for event in events if (intent := _intent(event))),
        last_words=outcome.last_words,
        synthetic=verdict.synthetic,
    )


def _events(record: RolloutRecord, generation: int) -> tuple[Event, ...]:
    return tuple(event for event in record.history if event.generation == generation)


def _intent(event: Event) -> Intent | None:
    """The wish that a line of the story tells of: `pause by ann: readers complain`."""
    wish, _, rest = event.text.partition(" by ")
    actor, _, reason = rest.partition(": ")
    if event.kind != "intent" or wish not in get_args(Wish):
        return None
    return Intent.model_validate(
        {"generation": event.generation, "wish": wish, "actor": actor, "reason": reason, "at": event.at}
    )
