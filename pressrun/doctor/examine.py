"""Looks at everything that a pipeline will need where it runs. Nothing is changed but a probe that is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.redact import redacted
from pressrun.doctor import clusters, compute, machine, people, services, stages, stores
from pressrun.doctor.found import Found, bad

Look = Callable[[Environment, Sequence[Pipeline]], Iterator[Found]]

LOOKS: dict[str, Look] = {
    "machine": machine.look,
    "lake": stores.look_at_lake,
    "landing": stores.look_at_landing,
    "database": services.look_at_database,
    "mlflow": services.look_at_mlflow,
    "airflow": services.look_at_airflow,
    "slack": people.look_at_slack,
    "labelers": people.look_at_labelers,
    "kubernetes": clusters.look,
    "compute": compute.look,
    "stages": stages.look,
}


def examine(environment: Environment, pipelines: Sequence[Pipeline], *, only: Sequence[str] = ()) -> Iterator[Found]:
    """One finding after the other, area by area; `only` names areas of `LOOKS`.

    An area that cannot be looked at is a finding, too: nothing is raised.
    """
    for area, look in LOOKS.items():
        if only and area not in only:
            continue
        try:
            yield from look(environment, pipelines)
        except Exception as error:
            words = f"it could not be looked at: {type(error).__name__}: {_first_line(error)}"
            yield bad(area, area, words, remedy="mend what it says, or see the whole error with pressrun --debug")


def _first_line(error: Exception) -> str:
    return next(iter(redacted(str(error)).splitlines()), "")[:300]
