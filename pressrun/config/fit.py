"""What a pipeline asks of a rollout that the environment's target cannot do."""

from __future__ import annotations

from collections.abc import Iterator

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.uses import Finding

HALF, ALL = 50, 100
_STEPS = ("rollout", "steps")
_OUTCOMES = ("rollout", "budgets", "outcomes")


def misfits(pipeline: Pipeline, environment: Environment) -> Iterator[Finding]:
    """What is wrong with the two together, each with its path in the pipeline file and a remedy."""
    yield from _more_than_half(pipeline, environment)
    if pipeline.rollout.budgets.outcomes:
        yield from _never_beside(pipeline)
        yield from _clusters_in_one(environment)


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
