"""One step of one run: what every stage is given, and how it runs once whatever dies.

A stage is `stage(step, **inputs) -> StageResult`; its body goes through `run_once`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pressrun.basis import basis_of
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake.fingerprint import fingerprint, stage_code
from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey
from pressrun.verdict import Verdict


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


def open_lake(environment: Environment) -> Lake:
    """The environment's lake; what is staged lies in the environment's home."""
    place = environment.lake
    return Lake(place.root, place.storage_options, staging=environment.home / "staging")


def run_once(
    step: Step,
    *,
    stage: str,
    inputs: Mapping[str, DatasetRef | str | None],
    section: Any,
    work: Callable[[], StageResult],
    usable: Callable[[StageResult], bool] = lambda result: True,
) -> StageResult:
    """Runs `work` unless this step, or one with the same inputs, config section and code, is already finished.

    The manifest is committed last: other steps see this step's rows from then on. `usable` may refuse an earlier
    result for what the lake cannot know, such as a deleted model.
    """
    finished = step.lake.finished(step.key)
    if finished is not None:
        return finished
    name = step.pipeline.model
    code = stage_code(stage)
    mark = fingerprint(stage=stage, pipeline=name, inputs=inputs, section=section, code=code)
    earlier = None if step.fresh else step.lake.reusable(mark)
    if earlier is not None and usable(earlier):
        result = _taken_over(earlier, step=step)
    else:
        step.lake.bind(step.key, mark)
        result = work()
        _keep_verdict(result, step=step)
    basis = basis_of(step.pipeline, code).model_dump_json()
    return step.lake.finish(result, key=step.key, pipeline=name, fingerprint=mark, basis=basis)


def _taken_over(earlier: StageResult, *, step: Step) -> StageResult:
    origin = earlier.reused_from or earlier.step_key
    return earlier.model_copy(update={"step_key": str(step.key), "reused_from": origin})


def _keep_verdict(result: StageResult, *, step: Step) -> None:
    if result.verdict is None:
        return
    rows = rows_of("verdicts", [verdict_row(result.verdict)])
    step.lake.commit("verdicts", rows, key=step.key, pipeline=step.pipeline.model)


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """The verdict as a row of table `verdicts`; its whole stands as JSON in column `verdict`."""
    return {
        "verdict_id": verdict.verdict_id,
        "kind": verdict.kind,
        "decision": verdict.decision.value,
        "at": verdict.at,
        "verdict": verdict.model_dump_json(),
        "model_version": verdict.model_version,
        "model_digest": verdict.model_digest,
    }
