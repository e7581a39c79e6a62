"""The model-freshness deadline: a champion must be promoted, or found to be current, since yesterday's deadline."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from pressrun.lake.lake import Lake
from pressrun.lake.types import StageResult
from pressrun.overview.steps import Done, finished_steps
from pressrun.step import Step, run_once
from pressrun.verdict import Comparison, Decision, Verdict
from pressrun.verdict.policy import policy_digest

STAGE = "freshness"


class Freshness(BaseModel):
    """The policy: how old a champion may be when the deadline comes."""

    model_config = ConfigDict(frozen=True)

    allowed: timedelta = timedelta(hours=24)
    deadline: time | None = None


_USUAL = Freshness()


def check_freshness(step: Step, now: datetime | None = None) -> StageResult:
    """Judges the age of the champion. The verdict is of kind "freshness"; it fails when the age is above a day."""
    at, policy = now or datetime.now(UTC), Freshness(deadline=step.pipeline.fresh_by)
    inputs = {"at": at.isoformat()}
    return run_once(step, stage=STAGE, inputs=inputs, section=policy, work=lambda: _check(step, policy, at))


def _check(step: Step, policy: Freshness, at: datetime) -> StageResult:
    model, key = step.pipeline.model, str(step.key)
    steps = step.lake.snapshot("steps", pipeline=model)
    verdict = judge(model, refreshed_at(step.lake, model), now=at, policy=policy, step_key=key, dataset=str(steps))
    return StageResult(stage=STAGE, step_key=key, verdict=verdict)


def refreshed_at(lake: Lake, model: str) -> datetime | None:
    """When a run last ended with a champion that serves or found that the champion is what it would train again."""
    times = [done.at for done in finished_steps(lake, model) if _refreshes(done)]
    return max(times, default=None)


def judge(
    model: str, refreshed: datetime | None, *, now: datetime, policy: Freshness = _USUAL, **about: Any
) -> Verdict:
    """The verdict on a champion last refreshed at `refreshed`; None means that there has never been one."""
    limit = policy.allowed.total_seconds() / 3600
    age = (now - refreshed).total_seconds() / 3600 if refreshed else None
    fresh = age is not None and age <= limit
    check = Comparison(
        metric="champion_age_hours",
        candidate=age,
        threshold=limit,
        samples=0 if refreshed is None else 1,
        method="time since the last promotion or the last night with nothing new",
        decision=Decision.PASS if fresh else Decision.FAIL,
        reason=_reason(model, age, limit),
    )
    digest = policy_digest(policy)
    return Verdict(kind="freshness", pipeline=model, at=now, checks=(check,), policy_digest=digest, **about)


def _refreshes(done: Done) -> bool:
    if done.stage == "gate":
        return bool(done.result.facts.get("nothing_new"))
    return done.stage == "rollout" and bool(done.result.facts.get("promoted"))


def _reason(model: str, age: float | None, limit: float) -> str:
    if age is None:
        return f"{model} has no champion yet"
    return f"the champion of {model} was last refreshed {age:.1f} h ago, at most {limit:.0f} h are allowed"
