"""Which articles to label tonight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.spark import SparkStageOperator

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class SampleOperator(SparkStageOperator):
    """Draws a stratified sample; the same articles on every try."""

    needs = ("ingested",)
    stage = "sample"

    def work(self, step: Step) -> StageResult:
        from pressrun.sampling import sample

        return sample(step, self.result("ingested"))
