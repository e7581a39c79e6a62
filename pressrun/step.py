"""One step of one run: what every stage is given, and how it runs once whatever dies.

A stage is `stage(step, **inputs) -> StageResult`; its body goes through `run_once`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake.lake import Lake
from pressrun.lake.types import DatasetRef, StageResult, StepKey


class Progress(Protocol):
    """Hears how far long work is: `done` of `total` (None: unknown) in words."""

    def __call__(self, message: str, done: int = 0, total: int | None = None) -> None: ...


def silent(message: str, done: int = 0, total: int | None = None) -> None:
    """A `Progress` that nobody hears."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The pipeline, the environment and the key of one step; `fresh` turns reuse off."""

    key: StepKey
    pipeline: Pipeline
    environment: Environment
    lake: Lake
    fresh: bool = False
    progress: Progress = field(default=silent)


def run_once(
    step: Step,
    *,
    stage: str,
    inputs: Mapping[str, DatasetRef | str | None],
    section: Any,
    work: Callable[[], StageResult],
) -> StageResult:
    """Runs `work` unless this step, or one with the same inputs, config section and code, is already finished.

    The manifest is committed last: other steps see this step's rows from then on.
    """
    raise NotImplementedError
