"""Rolling a candidate out to readers, and back within seconds when it does worse than the champion."""

from pressrun.rollout.api import (
    NotShippable,
    RolloutNotEnded,
    abort,
    facts_of,
    finish,
    make_plan,
    outcome,
    served,
    status,
    submit,
)
from pressrun.rollout.types import Outcome, Phase, RolloutPlan, RolloutRecord

__all__ = [
    "NotShippable",
    "Outcome",
    "Phase",
    "RolloutNotEnded",
    "RolloutPlan",
    "RolloutRecord",
    "abort",
    "facts_of",
    "finish",
    "make_plan",
    "outcome",
    "served",
    "status",
    "submit",
    "supervise",
]


def supervise(environment: "Environment") -> None:  # noqa: F821, UP037
    raise NotImplementedError
