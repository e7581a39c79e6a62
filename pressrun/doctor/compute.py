"""Where Spark jobs run: whether this account may ask there, and whether what the file names is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pressrun.compute.platform import ComputeError
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.doctor.found import Found, bad, good, skipped

if TYPE_CHECKING:
    from pressrun.compute import ComputePlatform

AREA = "compute"
# No job bears it: to look for it needs the right to list, and the application, cluster or project to be there.
_NOBODYS = "pressrun-doctor"
_connect: Callable[[Environment], ComputePlatform] | None = None


def connect_by(connector: Callable[[Environment], ComputePlatform]) -> None:
    """From now on platforms are reached by this, such as by Airflow's connections."""
    global _connect
    _connect = connector


def look(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    from pressrun.compute.connect import open_platform

    kind = environment.spark.platform.kind
    if kind == "local":
        yield skipped(AREA, "Spark jobs", f"they run on this machine, by {environment.spark.engine}")
        return
    try:
        (_connect or open_platform)(environment).find(_NOBODYS)
    except ComputeError as error:
        yield bad(AREA, kind, error.reason, remedy=error.hint)
        return
    yield good(AREA, kind, "it answers, and this account may look for jobs there")
