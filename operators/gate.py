"""May the candidate ship?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from operators.base import StageOperator
from operators.errors import VerdictStopped
from operators.links import GateReportLink, ModelPageLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class GateOperator(StageOperator):
    """Compares the candidate with the model that the router serves now, on the same true-labeled articles.

    A verdict that a person has overridden (`pressrun override`) lets the run go on when this task is cleared, and
    stays as it is.
    """

    needs = ("ingested", "sampled", "labeled", "trained")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (GateReportLink(), ModelPageLink())
    always_tells = True

    def work(self, step: Step) -> StageResult:
        from pressrun.gates import gate
        from pressrun.rollout import served

        champion = served(step.environment, step.pipeline.model)
        ingested, sampled, labeled, trained = (self.result(name) for name in self.needs)
        return gate(step, ingested, sampled, labeled, trained, champion)

    def _judge(self, result: StageResult, step: Step, context: Context) -> None:
        try:
            super()._judge(result, step, context)
        except VerdictStopped:
            if not (said := _overridden(result, step)):
                raise
            self.log.warning("%s. The rollout begins under this override.", said)


def _overridden(result: StageResult, step: Step) -> str:
    """Who overrides the verdict, until when and why; empty where nobody does, or does no more."""
    from pressrun.rollout.overridden import in_words
    from pressrun.rollout.overriding import override_of

    override = override_of(step, result.verdict, datetime.now(UTC))
    return in_words(override, result.verdict.decision) if override and result.verdict else ""
