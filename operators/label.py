"""Labels for the sample: machines first, then people, then a verdict on what came out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from operators.base import StageOperator
from operators.triggers import PeopleTrigger, past

if TYPE_CHECKING:
    from airflow.sdk import Context

    from pressrun.labeling import Asked
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class LabelOperator(StageOperator):
    """Runs the chain of labelers; while people's answers are waited for, the task holds no worker.

    :param deferrable: wait in the triggerer; else in the worker
    :param poll_seconds: how often the queue is looked at while people answer
    """

    needs = ("ingested", "sampled")

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_seconds: float = 15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds

    def execute(self, context: Context) -> Any:
        from pressrun.labeling import ask

        step = self.step(context)
        asked = ask(step, self.result("ingested"), self.result("sampled"))
        if asked.waiting and self.deferrable:
            self._defer(asked, step)
        self._wait(asked, step)
        return self.conclude(self.work(step), step, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on after the last answer or the deadline."""
        if event["waiting"]:
            self.log.warning("%d questions were not answered in time: no label for their articles", event["waiting"])
        step = self.step(context)
        return self.conclude(self.work(step), step, context)

    def work(self, step: Step) -> StageResult:
        from pressrun.labeling import collect

        return collect(step, self.result("ingested"), self.result("sampled"))

    def _defer(self, asked: Asked, step: Step) -> None:
        self.log.info("Waiting for people: %d questions, until %s", asked.waiting, asked.deadline)
        trigger = PeopleTrigger(
            environment=self.environment,
            step_key=asked.key,
            deadline=_iso(asked.deadline),
            poll_seconds=self.poll_seconds,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def _wait(self, asked: Asked, step: Step) -> None:
        from pressrun.labeling import waiting

        deadline = _iso(asked.deadline)
        left = asked.waiting
        while left and not past(deadline):
            time.sleep(self.poll_seconds)
            left = waiting(step.environment, asked.key)


def _iso(deadline: Any) -> str | None:
    return deadline.isoformat() if deadline else None
