"""The candidate into traffic: submitted, waited for without a worker, concluded."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink, conf
from airflow.sdk.exceptions import AirflowSkipException

from operators.base import StageOperator, truth
from operators.errors import VerdictStopped
from operators.links import ModelPageLink, RolloutLink, RolloutReportLink
from operators.tell import tell_rollout
from operators.triggers import RolloutTrigger
from pressrun.links import stage_links

if TYPE_CHECKING:
    from airflow.sdk import Context

    from pressrun.lake.types import StageResult
    from pressrun.rollout import Vigil
    from pressrun.step import Step


class RolloutOperator(StageOperator):
    """Submits the plan to the controller beside the servers and waits for its end.

    The controller needs no Airflow: a worker or triggerer that dies leaves the rollout going on, and the next try
    finds it by this step's key. Killing or clearing the task asks the controller to roll back. Where no controller
    runs the task says so and fails after its patience; the plan is kept, and a later try goes on with it.

    :param judge_only: leave traffic alone; the task is skipped
    :param deferrable: wait in the triggerer; else in the worker
    :param poll_seconds: how often the rollout is looked at
    :param patience_seconds: how long to wait for a supervisor while none holds the environment's home
    """

    template_fields = (*StageOperator.template_fields, "judge_only")
    needs = ("trained", "gated")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (RolloutLink(), RolloutReportLink(), ModelPageLink())
    always_tells = True

    def __init__(
        self,
        *,
        judge_only: bool | str = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_seconds: float = 5,
        patience_seconds: float = 600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.judge_only = judge_only
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds
        self.patience_seconds = patience_seconds
        self._submitted: Step | None = None
        self._told: set[str] = set()

    def execute(self, context: Context) -> Any:
        self._skip_if_there_is_nothing_to_do()
        step = self.step(context)
        if (ended := self._concluded(step)) is not None:
            return self.conclude(ended, step, context)
        self.links = stage_links(None, step.environment, step.pipeline.model)
        self._submit(step)
        if missing := self._vigil(step).look():
            self.log.warning("%s", missing)
        if self.deferrable:
            self.defer(trigger=self._trigger(step), method_name="execute_complete")
        self._wait(step)
        return self.conclude(self.work(step), step, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on after the rollout has ended. Raises NobodySupervises when it cannot: a retry goes on waiting."""
        from pressrun.rollout import NobodySupervises

        if event["phase"] is None:
            raise NobodySupervises(event["unsupervised"])
        self.log.info("The rollout has ended: %s", event["phase"])
        step = self.step(context)
        return self.conclude(self.work(step), step, context)

    def work(self, step: Step) -> StageResult:
        from pressrun.rollout import finish

        return finish(step, self.result("trained"), self.result("gated"))

    def conclude(self, result: StageResult, step: Step, context: Context) -> dict[str, Any]:
        """First what nobody was there to tell, then the verdict."""
        self._tell(step)
        return super().conclude(result, step, context)

    def on_kill(self) -> None:
        if self._submitted is not None:
            self._trigger(self._submitted).abort()
        super().on_kill()

    def _skip_if_there_is_nothing_to_do(self) -> None:
        if self.result("gated").facts.get("nothing_new"):
            raise AirflowSkipException("Nothing new: the candidate is the model that serves already")
        if truth(self.judge_only):
            raise AirflowSkipException("Dry run: it ends after the gate, traffic is left alone")

    def _judge(self, result: StageResult, step: Step, context: Context) -> None:
        """A candidate that a person forced serves, whatever its checks said: the task has done what was asked of it."""
        try:
            super()._judge(result, step, context)
        except VerdictStopped as stopped:
            if result.verdict is None or not (result.verdict.forced and result.facts.get("promoted")):
                raise
            self.log.warning("The candidate was forced and serves, although: %s", stopped)

    def _concluded(self, step: Step) -> StageResult | None:
        from pressrun.rollout import concluded

        return concluded(step)

    def _submit(self, step: Step) -> None:
        from pressrun.rollout import make_plan, served, submit

        champion = served(step.environment, step.pipeline.model)
        plan = make_plan(step, self.result("trained"), self.result("gated"), champion)
        self._submitted = step
        handle = submit(step.environment, plan)
        self.log.info("Submitted %s as rollout %s; follow it at %s", step.pipeline.model, handle, self.links["rollout"])

    def _tell(self, step: Step) -> None:
        tell_rollout(step.environment, step.pipeline, str(step.key), self._told)

    def _trigger(self, step: Step) -> RolloutTrigger:
        return RolloutTrigger(
            environment=self.environment,
            model=step.pipeline.model,
            step_key=str(step.key),
            pipeline=self.pipeline,
            poll_seconds=self.poll_seconds,
            patience_seconds=self.patience_seconds,
        )

    def _vigil(self, step: Step) -> Vigil:
        from pressrun.rollout import Vigil

        return Vigil(step.environment, step.pipeline.model, patience=timedelta(seconds=self.patience_seconds))

    def _wait(self, step: Step) -> None:
        from pressrun.rollout import carry_on, outcome

        vigil, waited_for = self._vigil(step), (step.environment, step.pipeline.model, str(step.key))
        while outcome(*waited_for) is None:
            carry_on(*waited_for)
            self._tell(step)
            vigil.look()
            time.sleep(self.poll_seconds)
