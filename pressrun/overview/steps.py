"""The finished steps of a model's loop, as the lake tells them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pressrun.basis import Basis
from pressrun.lake.lake import Lake
from pressrun.lake.types import StageResult

_COLUMNS = ("stage", "result", "basis", "step_key", "written_at")


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished step, when it finished and what it was made with (None: not recorded)."""

    stage: str
    step_key: str
    at: datetime
    result: StageResult
    basis: Basis | None = None

    @property
    def run(self) -> str:
        """`dag_id/run_id`: what the steps of one run have in common."""
        return self.step_key.rsplit("/", 2)[0]

    @property
    def task(self) -> str:
        return self.step_key.rsplit("/", 2)[1]


def finished_steps(lake: Lake, model: str) -> list[Done]:
    """Every finished step of the model, the oldest first."""
    rows = lake.read(lake.snapshot("steps", pipeline=model), columns=_COLUMNS).to_pylist()
    done = [
        Done(
            stage=row["stage"],
            step_key=row["step_key"],
            at=row["written_at"],
            result=StageResult.model_validate_json(row["result"]),
            basis=Basis.model_validate_json(row["basis"]) if row["basis"] else None,
        )
        for row in rows
    ]
    return sorted(done, key=lambda step: step.at)


def newest(steps: Iterable[Done], stage: str) -> Done | None:
    """The last finished step of the stage."""
    found = [step for step in steps if step.stage == stage]
    return found[-1] if found else None


def of_run(steps: Iterable[Done], run: str) -> dict[str, Done]:
    """The steps of one run, by stage."""
    return {step.stage: step for step in steps if step.run == run}
