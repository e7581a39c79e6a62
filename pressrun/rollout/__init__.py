"""Rolling a candidate out to readers, and back within seconds when it does worse than the champion."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pressrun.rollout.api import (
        RolloutNotEnded,
        abort,
        carry_on,
        facts_of,
        finish,
        news_of,
        outcome,
        reconcile_aliases,
        served,
        status,
        submit,
    )
    from pressrun.rollout.intervening import intervene
    from pressrun.rollout.planning import NotShippable, make_plan
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
    "carry_on",
    "concluded",
    "facts_of",
    "finish",
    "intervene",
    "make_plan",
    "news_of",
    "outcome",
    "reconcile_aliases",
    "served",
    "start_command",
    "status",
    "submit",
    "supervise",
    "supervisor_alive",
]

# Imported when first asked for: the controller in a cluster has no use for the lake that some of them bring.
_HOME = {
    "AlreadySupervised": "supervisor",
    "NobodySupervises": "waiting",
    "NotShippable": "planning",
    "Outcome": "types",
    "Phase": "types",
    "RolloutNotEnded": "api",
    "RolloutPlan": "types",
    "RolloutRecord": "types",
    "Vigil": "waiting",
    "abort": "api",
    "carry_on": "api",
    "concluded": "waiting",
    "facts_of": "api",
    "finish": "api",
    "intervene": "intervening",
    "make_plan": "planning",
    "news_of": "api",
    "outcome": "api",
    "reconcile_aliases": "api",
    "served": "api",
    "start_command": "waiting",
    "status": "api",
    "submit": "api",
    "supervise": "supervisor",
    "supervisor_alive": "supervisor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
