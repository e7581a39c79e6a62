"""Which articles to label tonight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import StageOperator

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class SampleOperator(StageOperator):
    """Draws a stratified sample; the same articles on every try."""

    needs = ("ingested",)

    def work(self, step: Step) -> StageResult:
        from pressrun.sampling import sample

        return sample(step, self.result("ingested"))
