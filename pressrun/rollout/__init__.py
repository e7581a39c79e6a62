"""Rolling a candidate out to readers, and back within seconds when it does worse than the champion."""

from pressrun.rollout.api import (
    NotShippable,
    RolloutNotEnded,
    abort,
    facts_of,
    finish,
    make_plan,
    outcome,
    reconcile_aliases,
    served,
    status,
    submit,
)
from pressrun.rollout.intervening import intervene
from pressrun.rollout.supervisor import AlreadySupervised, supervise, supervisor_alive
from pressrun.rollout.types import Outcome, Phase, RolloutPlan, RolloutRecord
from pressrun.rollout.waiting import NobodySupervises, Vigil, concluded, start_command

__all__ = [
    "AlreadySupervised",
    "NobodySupervises",
    "NotShippable",
    "Outcome",
    "Phase",
    "RolloutNotEnded",
    "RolloutPlan",
    "RolloutRecord",
    "Vigil",
    "abort",
    "concluded",
    "facts_of",
    "finish",
    "intervene",
    "make_plan",
    "outcome",
    "reconcile_aliases",
    "served",
    "start_command",
    "status",
    "submit",
    "supervise",
    "supervisor_alive",
]
