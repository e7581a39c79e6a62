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
from pressrun.rollout.supervisor import AlreadySupervised, supervise, supervisor_alive
from pressrun.rollout.types import Outcome, Phase, RolloutPlan, RolloutRecord

__all__ = [
    "AlreadySupervised",
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
    "supervisor_alive",
]
