"""References that stages pass to each other: never data, always enough to read the very same rows again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pressrun.verdict import Decision, Verdict


class StepKey(BaseModel):
    """Names one step of one run; a retry has the same key. `str(key)` is what tables hold in `step_key`."""

    model_config = ConfigDict(frozen=True)

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def __str__(self) -> str:
        return f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}"


class DatasetRef(BaseModel):
    """A dataset: rows of `table` at `version` that satisfy `predicate` (SQL), with their count and content digest.

    `step_keys` names the finished steps whose rows these are; empty means none.
    """

    model_config = ConfigDict(frozen=True)

    table: str
    version: int
    pipeline: str
    step_keys: tuple[str, ...]
    rows: int
    digest: str

    @property
    def predicate(self) -> str:
        keys = ", ".join("'" + key.replace("'", "''") + "'" for key in self.step_keys)
        return f"step_key IN ({keys})" if keys else "false"

    def __str__(self) -> str:
        return f"{self.table}@{self.version}#{self.digest[:12]}"


class Spent(BaseModel):
    """What a step's work took of the machine that it ran on: wall-clock seconds, and its and its children's CPU's."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    cpu_seconds: float


class StageResult(BaseModel):
    """What a stage hands on: references, a small verdict, a few facts. Fits in XCom as JSON."""

    model_config = ConfigDict(frozen=True)

    stage: str
    step_key: str
    datasets: dict[str, DatasetRef] = Field(default_factory=dict)
    verdict: Verdict | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    reused_from: str | None = None
    spent: Spent | None = None

    @property
    def stopped(self) -> bool:
        """Whether a verdict stopped the run here: there is one, and it is no pass."""
        return self.verdict is not None and self.verdict.decision is not Decision.PASS

    def handed_on_by(self, key: StepKey) -> StageResult:
        """The same result as another step's, which says whose work it is."""
        update = {"step_key": str(key), "reused_from": self.reused_from or self.step_key, "spent": None}
        return self.model_copy(update=update)
