"""Which environment a stage runs in: what a step is known by, what its model's lineage says, and when it must move."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pressrun.compute.elsewhere import NeedsPlatform
from pressrun.config.environment import Environment
from pressrun.environments.lock import read_lock

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult

# Whose versions make a model what it is; those that are there are told.
_TOLD = ("lightgbm", "numpy", "scikit-learn", "scipy", "tokenizers", "torch", "transformers")


class NeedsProcess(Exception):
    """The stage has come to its work, which the environment's file puts into a process of its own.

    By then the stage has found that it has not finished, and that no other step has done the same.
    """


def runtime_of(environment: Environment, stage: str) -> str:
    """What the stage's own environment is, as text that changes when it does; "" in the task's process.

    Raises ConfigurationFailed when the lock cannot be used.
    """
    place = environment.stages.of(stage).environment
    if place is None:
        return ""
    return f"image {place.image}" if place.image else read_lock(place).runtime


def demand_place(environment: Environment, stage: str) -> None:
    """Raises NeedsProcess or NeedsPlatform where the stage's work is not for the task's process."""
    place = environment.stages.of(stage)
    if place.in_pod:
        raise NeedsPlatform("pods")
    if place.in_process:
        raise NeedsProcess(stage)


def said_where(result: StageResult, environment: Environment, stage: str, runtime: str) -> StageResult:
    """The result with `facts.environment`, which says what it was made in; as it is for the task's own process.

    `runtime` is what that was: the lock may be another one by now.
    """
    place = environment.stages.of(stage).environment
    if place is None:
        return result
    lock = {} if place.image else {"lock": str(place.lock), "digest": runtime.removeprefix("lock ")}
    python = ".".join(map(str, sys.version_info[:3]))
    image = {"image": place.image} if place.image else {}
    told = {**lock, **image, "python": python, "packages": dict(_versions())}
    return result.model_copy(update={"facts": {**result.facts, "environment": told}})


def _versions() -> Iterator[tuple[str, str]]:
    for name in _TOLD:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
