"""Keeps a job that starts late from committing: the lake lets a step's commits in by their generation.

A job is given the generation that it may commit in. Before a job of a later ledger generation is started the step's
generation in the lake is raised beyond it: from then on the earlier job's commits are refused by the lake itself, on
the snapshot that they would be made on, wherever that job runs.
"""

from __future__ import annotations

from pressrun.lake.errors import SupersededError
from pressrun.lake.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.step import Step


def next_fence(step: Step, *, first: bool) -> int:
    """The generation that the step's next job may commit in.

    Its first job takes the one that the step is in. A later one leaves one free: an earlier job that finds the step
    finished and asked for anew raises the generation by one itself.
    """
    generation = step.lake.standing(step.key).generation
    return generation if first else generation + 2


def raise_fence(step: Step, fence: int) -> None:
    """Raises the step's generation in the lake to `fence`. Safe to repeat; does nothing where it stands there.

    Raises SupersededError where it is beyond it.
    """
    if step.lake.standing(step.key).generation != fence:
        step.lake.withdraw(step.key, pipeline=step.pipeline.model, generation=fence)


class FencedLake(Lake):
    """The lake of one job: `fence`, and the next one where the job itself withdrew what the step had finished as."""

    key: StepKey
    fence: int
    withdrew: bool = False

    @classmethod
    def of(cls, lake: Lake, *, key: StepKey, fence: int) -> FencedLake:
        """The same lake, fenced."""
        made = cls(lake.root, lake.storage_options)
        made.key, made.fence = key, fence
        return made

    def bind(self, key: StepKey, made_from: str, *, generation: int = 0) -> None:
        self._check(key, generation)
        super().bind(key, made_from, generation=generation)

    def withdraw(self, key: StepKey, *, pipeline: str, generation: int) -> None:
        if key == self.key and generation == self.fence + 1:
            self.withdrew = True
        self._check(key, generation)
        super().withdraw(key, pipeline=pipeline, generation=generation)

    def _check(self, key: StepKey, generation: int) -> None:
        allowed = self.fence + self.withdrew
        if key == self.key and generation != allowed:
            raise SupersededError(
                f"{key} is of generation {generation} by now, and this job was started for {self.fence}: another job "
                "has taken its place; what it made is void"
            )
