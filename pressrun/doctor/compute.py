"""Where Spark jobs run: whether this account may ask there, and whether what the file names is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pressrun.compute.outlook import LooksAhead
from pressrun.compute.platform import ComputeError
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.doctor.found import Found, bad, good, skipped

if TYPE_CHECKING:
    from pressrun.compute import ComputePlatform

AREA = "compute"
# No job bears it: to look for it needs the right to list, and the application, cluster or project to be there.
_NOBODYS = "pressrun-doctor"
_connect: Callable[..., ComputePlatform] | None = None


def connect_by(connector: Callable[..., ComputePlatform]) -> None:
    """From now on platforms are reached by this, such as by Airflow's connections; called as `open_platform` is."""
    global _connect
    _connect = connector


def look(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    kind = environment.spark.platform.kind
    if kind == "local":
        yield skipped(AREA, "Spark jobs", f"they run on this machine, by {environment.spark.engine}")
        return
    answers = reached(AREA, kind, environment)
    yield answers
    if answers.state == "good":
        yield from _ahead(_platform(environment))


def reached(area: str, what: str, environment: Environment, **stage: Any) -> Found:
    """Whether the platform (of Spark jobs, or of a `stage`'s pods) answers this account."""
    try:
        _platform(environment, **stage).find(_NOBODYS)
    except ComputeError as error:
        return bad(area, what, error.reason, remedy=error.hint)
    return good(area, what, "it answers, and this account may look for jobs there")


def _platform(environment: Environment, **stage: Any) -> ComputePlatform:
    from pressrun.compute.connect import open_platform

    return (_connect or open_platform)(environment, **stage)


def _ahead(platform: ComputePlatform) -> Iterator[Found]:
    """What the platform says of where jobs are to run."""
    if isinstance(platform, LooksAhead):
        for one in platform.outlook():
            yield Found(area=AREA, what=one.what, state=one.state, words=one.words, remedy=one.remedy)
