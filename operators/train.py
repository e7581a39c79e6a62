"""A candidate from the labels of all nights, registered in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from operators.base import StageOperator
from operators.links import MlflowRunLink, ModelPageLink

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class TrainOperator(StageOperator):
    """Trains, calibrates, exports and registers; a retry makes no second version."""

    needs = ("ingested", "sampled", "labeled")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (MlflowRunLink(), ModelPageLink())

    def work(self, step: Step) -> StageResult:
        from pressrun.training import train

        return train(step, self.result("ingested"), self.result("sampled"), self.result("labeled"))
