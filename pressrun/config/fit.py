"""What a pipeline asks for that comes to nothing in the environment: above all of its rollout target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.uses import Finding

HALF, ALL = 50, 100
_STEPS = ("rollout", "steps")
_OUTCOMES = ("rollout", "budgets", "outcomes")
_ARM = re.compile(r"_g\d+(_baseline)?$")


def misfits(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    """What is wrong with the two together, each with its path in the pipeline file and a remedy."""
    yield from _taken_name(pipeline, environment)
    yield from _more_than_half(pipeline, environment)
    yield from _cluster_only(pipeline, environment)
    if pipeline.rollout.budgets.outcomes:
        yield from _never_beside(pipeline)
        yield from _clusters_in_one(environment)


def unpriced(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    """A month's budget in an environment where nothing but tokens is counted, and no tokens are used."""
    prices = environment.prices.model_dump(exclude_none=True) or getattr(environment.spark.platform, "prices", {})
    paid = any(spec.labeler == "llm" for spec in pipeline.label.chain)
    if pipeline.budget_usd_month is not None and not prices and not paid:
        reason = (
            f"nothing that {environment.name} runs has a price, so it is never used up; set prices in its file, or "
            "take this out"
        )
        yield Finding(path=("budget_usd_month",), reason=reason)


def _taken_name(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    """A model's Service, route and policy bear its name with hyphens, and must be no other model's arm's."""
    if environment.kubernetes is None:
        return
    reason = None
    if arm := _ARM.search(pipeline.model):
        reason = f"in a cluster an arm of the model {pipeline.model[: arm.start()]} may be named so"
    elif pipeline.model.startswith("pressrun_"):
        reason = "in a cluster the names that begin with pressrun are the controller's own"
    elif pipeline.model.endswith("_"):
        reason = "in a cluster no name ends with a hyphen, which the last underscore becomes"
    if reason:
        yield Finding(path=("model",), reason=f"{reason}; give the model another name, for example news_topics")


def _more_than_half(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    """k of k + replicas: the champion keeps its size, so nine tenths would take nine times the full size."""
    if environment.kubernetes is None or environment.kubernetes.deploy.split != "replicas":
        return
    for index, share in enumerate(pipeline.rollout.steps):
        if HALF < share < ALL:
            reason = (
                f"{environment.name} divides by replicas, where a share above {HALF} would need more replicas than the "
                f"full size; take it out, or set kubernetes.deploy.split of {environment.name} to weights"
            )
            yield Finding(path=(*_STEPS, index), reason=reason)


def _cluster_only(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    if pipeline.rollout.baseline and environment.kubernetes is None:
        reason = f"{environment.name} serves by processes of one machine, which have no baseline; take it out"
        yield Finding(path=("rollout", "baseline"), reason=reason)


def _never_beside(pipeline: Pipeline) -> Iterator[Finding]:
    if pipeline.rollout.steps == [ALL]:
        reason = "outcomes compare readers of both arms, and no step leaves the champion any; add a step below 100"
        yield Finding(path=_OUTCOMES, reason=reason)


def _clusters_in_one(environment: Environment) -> Iterator[Finding]:
    if environment.kubernetes is not None and len(environment.kubernetes.clusters) > 1:
        reason = (
            f"{environment.name} has several clusters, and predictions in the lake do not say which one made them; "
            "take outcomes out"
        )
        yield Finding(path=_OUTCOMES, reason=reason)
