"""Stages with resources or an environment of their own: whether this machine, or the cluster, can give them that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pressrun.compute.platform import ComputeError
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.stages import StageEnvironment, Stages
from pressrun.doctor.compute import reached
from pressrun.doctor.found import Found, bad, good, skipped

AREA = "stages"


def look(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    places = {name: environment.stages.of(name) for name in Stages.model_fields}
    if not any(place.in_process or place.in_pod for place in places.values()):
        yield skipped(AREA, "environments", "every stage runs in its task's process")
    for name, place in places.items():
        if place.in_pod:
            yield reached(AREA, f"{name}'s pods", environment, stage=name)
        if place.in_process and place.resources.gpu:
            yield _gpu(name, place.resources.gpu)
        if place.environment and place.environment.lock:
            yield _lock(name, place.environment)


def _gpu(stage: str, count: int) -> Found:
    from pressrun.environments.gpus import demand_gpus

    try:
        return good(AREA, f"{stage}'s gpu", ", ".join(demand_gpus(stage, count)))
    except ComputeError as error:
        return bad(AREA, f"{stage}'s gpu", error.reason, remedy=error.hint)


def _lock(stage: str, environment: StageEnvironment) -> Found:
    from pressrun.environments.build import NO_UV, find_uv
    from pressrun.environments.lock import read_lock

    what = f"{stage}'s lock"
    try:
        lock = read_lock(environment)
    except ComputeError as error:
        return bad(AREA, what, error.reason, remedy=error.hint)
    if find_uv() is None:
        return bad(AREA, what, "uv, which makes the environment, is not here", remedy=NO_UV)
    return good(AREA, what, f"{lock.path}, for Python {lock.python}")
