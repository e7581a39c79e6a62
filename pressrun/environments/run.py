"""Does a stage's work where the environment's file says: here, in a process of its own, or in a pod."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pressrun import tracing
from pressrun.config.find import config_folder
from pressrun.environments.build import environments_of, python_of
from pressrun.environments.code import own_folders, search_path, unpacked
from pressrun.environments.gpus import demand_gpus
from pressrun.environments.lock import read_lock
from pressrun.environments.order import ProcessOrder
from pressrun.environments.place import NeedsProcess
from pressrun.environments.process import StageProcess
from pressrun.lake.types import StageResult
from pressrun.step import Step


@dataclass(kw_only=True)
class Placed:
    """One stage of one step, where the environment's file puts it. `upstream`: as the stage's arguments are."""

    step: Step
    stage: str
    upstream: Sequence[StageResult]
    _process: StageProcess | None = None
    _stopped: bool = False

    def run(self, work: Callable[[], StageResult]) -> StageResult:
        """Does the work here, or in a process as soon as it is known that there is something to do.

        Raises what the stage does, NeedsPlatform, and ComputeError.
        """
        try:
            return work()
        except NeedsProcess:
            return self._elsewhere()

    def stop(self) -> None:
        """Ends the process, if there is one."""
        self._stopped = True
        if self._process is not None:
            self._process.stop()

    def _elsewhere(self) -> StageResult:
        place = self.step.environment.stages.of(self.stage)
        # Before anything heavy: an environment may take minutes to make.
        gpus = demand_gpus(self.stage, place.resources.gpu) if place.resources.gpu else []
        python, imports, runtime = self._python()
        self._process = StageProcess(
            python=python,
            search_path=imports,
            resources=place.resources,
            progress=self.step.progress,
            extra={"PRESSRUN_CONFIG": str(config_folder()), **_visible(gpus)},
        )
        if self._stopped:  # while its environment was being made
            self._process.stop()
        told = tracing.carried()
        order = ProcessOrder.of(self.step, stage=self.stage, upstream=self.upstream, runtime=runtime, trace=told)
        return self._process.run(order)

    def _python(self) -> tuple[Path, str, str]:
        """The interpreter, what it imports before its own packages, and what its environment was made from."""
        environment = self.step.environment.stages.of(self.stage).environment
        if environment is None:
            return Path(sys.executable), search_path(), ""
        folder = environments_of(self.step.environment)
        code = unpacked(folder / "code")
        lock = read_lock(environment)
        python = python_of(lock, folder, stage=self.stage, code=code, progress=self.step.progress)
        return python, ":".join([str(code), *own_folders(self.step.pipeline)]), lock.runtime


def _visible(gpus: Sequence[str]) -> Mapping[str, str]:
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
