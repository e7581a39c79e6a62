"""May the candidate ship?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import StageOperator
from operators.links import GateReportLink, ModelPageLink

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class GateOperator(StageOperator):
    """Compares the candidate with the model that the router serves now, on the same true-labeled articles."""

    needs = ("ingested", "sampled", "labeled", "trained")
    operator_extra_links = (GateReportLink(), ModelPageLink())
    always_tells = True

    def work(self, step: Step) -> StageResult:
        from pressrun.gates import gate
        from pressrun.rollout import served

        champion = served(step.environment, step.pipeline.model)
        return gate(step, *(self.result(name) for name in self.needs), champion=champion)
