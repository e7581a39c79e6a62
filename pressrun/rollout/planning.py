"""Whether a gated candidate may be rolled out, and the plan for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pressrun.agreement import Expected
from pressrun.config.document import dotted
from pressrun.config.fit import misfits
from pressrun.config.pipeline import Rollout
from pressrun.config.problems import ConfigError, Problem
from pressrun.lake.types import StageResult
from pressrun.registry import ModelRef
from pressrun.rollout.changes import known_generation
from pressrun.rollout.labels import TEAM
from pressrun.rollout.overriding import override_of, remedy
from pressrun.rollout.records import leading
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Arm, RolloutPlan
from pressrun.step import Step
from pressrun.verdict import Decision, Verdict

NEARLY_ALL = 0.99


class NotShippable(Exception):
    """The gate did not pass this model; a retry does not help, a better candidate does."""


def make_plan(step: Step, trained: StageResult, gated: StageResult, champion: ModelRef | None) -> RolloutPlan:
    """The plan for the trained candidate.

    Raises NotShippable unless the gate passed it, or a person's override of the gate's verdict is in force, and unless
    the champion is still the one that the gate compared with; ConfigError when the environment cannot roll out so.
    """
    verdict, candidate, now = gated.verdict, ModelRef.model_validate(trained.facts["model"]), datetime.now(UTC)
    passed = verdict is not None and verdict.decision is Decision.PASS
    override = None if passed else override_of(step, verdict, now)
    if verdict is None or not (passed or override):
        said = verdict.decision.value if verdict else "nothing"
        refused = f"the gate said {said} of {candidate.name} version {candidate.version}: no rollout"
        raise NotShippable(f"{refused}; {remedy(step, verdict, now)}")
    if not _submitted(step):
        _refuse_misfits(step)
        if verdict.champion_digest != (champion.digest if champion else None):
            raise NotShippable(_other_champion(verdict, champion))
    arms = [Arm(name=CHAMPION, model=champion)] if champion else []
    if champion and step.pipeline.rollout.baseline and step.environment.kubernetes:
        arms.append(Arm(name=BASELINE, model=champion))
    expected = Expected.model_validate(gated.facts["expected"]) if gated.facts.get("expected") else None
    return RolloutPlan(
        model=step.pipeline.model,
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        arms=(*arms, Arm(name=CANDIDATE, model=candidate)),
        policy=_expecting(step.pipeline.rollout, expected),
        **_sizes(step),
        gate_verdict=verdict.verdict_id,
        gate_decision=verdict.decision,
        override=override,
        expected=expected,
        synthetic=verdict.synthetic,
    )


def _expecting(policy: Rollout, expected: Expected | None) -> Rollout:
    """A better model says other things than the champion, too: the budget is above what the gate saw of that."""
    if expected is None:
        return policy
    budgets = policy.budgets
    moved = {"disagreement": min(budgets.disagreement + expected.disagreement, NEARLY_ALL)}
    if budgets.abstention is not None and expected.abstention is not None:
        moved["abstention"] = min(budgets.abstention + expected.abstention, NEARLY_ALL)
    return policy.model_copy(update={"budgets": budgets.model_copy(update=moved)})


def _refuse_misfits(step: Step) -> None:
    found = [Problem(key=dotted(f.path), reason=f.reason) for f in misfits(step.pipeline, step.environment)]
    if found:
        raise ConfigError(found)


def _sizes(step: Step) -> dict[str, Any]:
    """What a cluster needs to know beside the policy; nothing where processes of this machine serve."""
    environment = step.environment
    if environment.kubernetes is None:
        return {}
    deploy = environment.kubernetes.deploy
    team = {TEAM: step.pipeline.owner}
    deploy = deploy.model_copy(update={"labels": {**team, **environment.labels, **deploy.labels}})
    return {
        "deploy": deploy,
        "replicas": deploy.replicas,
        "split": deploy.split,
        "start_within": timedelta(seconds=deploy.start_within_seconds),
        "unready_within": timedelta(seconds=deploy.unready_within_seconds),
        "hold": len(environment.kubernetes.clusters) > 1,
    }


def _submitted(step: Step) -> bool:
    """Whether this step's rollout is recorded: a retry finds it, also when it has changed the champion meanwhile."""
    record = leading(step.environment).read(step.pipeline.model)
    return record is not None and known_generation(record, str(step.key)) is not None


def _other_champion(verdict: Verdict, champion: ModelRef | None) -> str:
    gated = f"v{verdict.champion_version}" if verdict.champion_version else "no champion"
    now = f"v{champion.version}" if champion else "none"
    return f"the gate compared with {gated}, and {now} serves now: clear the gate's task, so that it judges again"
