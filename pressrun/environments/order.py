"""What a stage's own process is told, by its standard input, and what it answers, line by line."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, open_lake


class ProcessOrder(BaseModel):
    """One stage of one step, in the same environment, on the same machine. It may hold secrets, so no file has it."""

    model_config = ConfigDict(frozen=True)

    stage: str
    key: StepKey
    pipeline: dict[str, Any]
    environment: dict[str, Any]
    upstream: tuple[StageResult, ...]
    fresh: bool
    asked: str
    runtime: str
    trace: dict[str, str]

    @classmethod
    def of(
        cls, step: Step, *, stage: str, upstream: Sequence[StageResult], runtime: str, trace: Mapping[str, str]
    ) -> ProcessOrder:
        """The order for `stage` of `step` in the environment `runtime`; `trace` is the context it is told below."""
        return cls(
            stage=stage,
            key=step.key,
            pipeline=step.pipeline.model_dump(mode="json"),
            environment=step.environment.model_dump(mode="json"),
            upstream=tuple(upstream),
            fresh=step.fresh,
            asked=step.asked or "",
            runtime=runtime,
            trace=dict(trace),
        )

    def step(self, answers: Answers) -> Step:
        """The step in the process that was told."""
        environment = Environment.model_validate(self.environment)
        return Step(
            key=self.key,
            pipeline=Pipeline.model_validate(self.pipeline),
            environment=environment,
            lake=open_lake(environment),
            fresh=self.fresh,
            progress=answers.progress,
            asked=self.asked,
            placed=self.runtime,
        )


class Answers:
    """The process's side of the pipe to the task: one JSON object a line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def progress(self, message: str, done: int = 0, total: int | None = None) -> None:
        self._tell({"progress": [message, done, total]})

    def result(self, result: StageResult) -> None:
        self._tell({"result": result.model_dump(mode="json")})

    def failure(self, error: BaseException) -> None:
        """What the stage raised: its type's name, its words, and where."""
        kind, frames = type(error), traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        name = f"{kind.__module__}:{kind.__qualname__}"
        self._tell({"failure": {"kind": name, "words": str(error), "where": where}})

    def _tell(self, told: Mapping[str, Any]) -> None:
        line = (json.dumps(told) + "\n").encode()
        while line:
            line = line[os.write(self._descriptor, line) :]
