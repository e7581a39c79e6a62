"""Does the traffic still look like what the champion was trained for? If not: ask for a retrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException

from operators.base import StageOperator
from operators.errors import VerdictStopped
from operators.links import DriftReportLink, ModelPageLink
from operators.tell import deliver, tell_verdict
from operators.words import last_line

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class DriftOperator(StageOperator):
    """Judges the newest window of predictions. Drift found is told and handed on; it does not fail the task."""

    operator_extra_links: tuple[BaseOperatorLink, ...] = (DriftReportLink(), ModelPageLink())

    def work(self, step: Step) -> StageResult:
        from pressrun.drift import watch

        return watch(step)

    def execute(self, context: Context) -> Any:
        handed_on = super().execute(context)
        self.log.info("Messages that still wait are delivered now")
        deliver(self.step(context).environment)
        return handed_on

    def _judge(self, result: StageResult, step: Step, context: Context) -> None:
        from pressrun.verdict import Decision

        verdict = result.verdict
        assert verdict is not None
        if verdict.decision is Decision.PASS:
            return
        line = last_line(verdict, self._pipeline_file())
        if verdict.decision is Decision.INSUFFICIENT:
            self.log.info("%s", line)
            return
        tell_verdict(verdict, step, links=self.links, run_id=step.key.run_id)
        if verdict.decision is Decision.ERROR:
            raise VerdictStopped(line)
        self.log.warning("%s", line)


class AskForRetrainOperator(StageOperator):
    """Succeeds, and so emits its outlet, only when the drift verdict asks for a retrain; else it is skipped."""

    needs = ("watched",)

    def work(self, step: Step) -> StageResult:
        watched = self.result("watched")
        if watched.facts.get("retrain"):
            return watched
        until = watched.facts.get("cooldown_until")
        drifted = watched.verdict is not None and watched.verdict.decision == "fail"
        why = f"drift, but still cooling down until {until}" if drifted else "no drift"
        raise AirflowSkipException(f"No retrain: {why}")

    def _judge(self, result: StageResult, step: Step, context: Context) -> None:
        verdict = result.verdict.verdict_id if result.verdict else ""
        asked: dict[str, JsonValue] = {"asked_by": str(step.key), "verdict": verdict}
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = asked
        self.log.info("A retrain of %s is asked for", step.pipeline.model)
