"""Where the families of one train step work: a place for checkpoints, MLflow for live curves, the registry's models."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pressrun.bundle import Bundle, load_bundle
from pressrun.config.families import Registered
from pressrun.config.room import room
from pressrun.registry import RegistryError, fetch
from pressrun.registry.tracking import answering, connect, open_run
from pressrun.step import Step
from pressrun.training.reading import Workshop

_log = logging.getLogger(__name__)


@contextmanager
def opened(step: Step) -> Iterator[Workshop]:
    """The step's workshop. Its checkpoints stay for a retry when the step fails, and go when it is done."""
    place = Path(step.environment.home) / "checkpoints" / hashlib.sha256(str(step.key).encode()).hexdigest()[:32]
    curves = _Curves(step)
    with room(step.environment.home):
        yield Workshop(
            checkpoints=place,
            progress=step.progress,
            curve=curves,
            registered=lambda teacher: _registered(step, teacher),
        )
    curves.close()
    shutil.rmtree(place, ignore_errors=True)


def _registered(step: Step, teacher: Registered) -> Bundle:
    found = fetch(step.environment, teacher.model, str(teacher.version))
    return load_bundle(found.bundle, digest=found.digest)


class _Curves:
    """Live curves, a run a family beside the step's own: that one begins once there is a model with a digest.

    A retry goes on in the same runs. An MLflow that is away while a model trains does not end hours of work.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._runs: dict[str, str] = {}

    def __call__(self, family: str, metric: str, value: float, step: int) -> None:
        from mlflow.entities import Metric

        try:
            with answering(self._step.environment):
                run = self._run(family)
                # Without a time of its own a point that a retry tells again is the same point.
                connect(self._step.environment).log_batch(run, metrics=[Metric(metric, value, 0, step)])
        except RegistryError as error:
            _log.warning("the curve of %s lacks step %d: %s", family, step, error)

    def close(self) -> None:
        try:
            with answering(self._step.environment):
                for run in self._runs.values():
                    connect(self._step.environment).set_terminated(run)
        except RegistryError as error:
            _log.warning("the curves' runs stay open: %s", error)

    def _run(self, family: str) -> str:
        if family not in self._runs:
            tags = {"mlflow.runName": f"{self._step.key.run_id} {family}", "pressrun.live": family}
            model = self._step.pipeline.model
            self._runs[family] = open_run(
                self._step.environment, experiment=model, step_key=str(self._step.key), tags=tags
            )
        return self._runs[family]
