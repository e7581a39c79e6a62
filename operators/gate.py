"""May the candidate ship?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from operators.base import StageOperator
from operators.links import GateReportLink, ModelPageLink

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class GateOperator(StageOperator):
    """Compares the candidate with the model that the router serves now, on the same true-labeled articles."""

    needs = ("ingested", "sampled", "labeled", "trained")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (GateReportLink(), ModelPageLink())
    always_tells = True

    def work(self, step: Step) -> StageResult:
        from pressrun.gates import gate
        from pressrun.rollout import served

        champion = served(step.environment, step.pipeline.model)
        ingested, sampled, labeled, trained = (self.result(name) for name in self.needs)
        return gate(step, ingested, sampled, labeled, trained, champion)
