"""A candidate from the labels of all nights, registered in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from operators.job import JobStageOperator
from operators.links import JobLink, MlflowRunLink, ModelPageLink

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class TrainOperator(JobStageOperator):
    """Trains, calibrates, exports and registers; a retry makes no second version.

    Its packages and resources are those of the environment's file (`stages.train`): the task's own process, a process
    with a lock of its own, or a pod, which is started once, found again by a retry, and waited for without a worker
    where `deferrable`.
    """

    needs = ("ingested", "sampled", "labeled")
    stage = "train"
    operator_extra_links: tuple[BaseOperatorLink, ...] = (MlflowRunLink(), JobLink(), ModelPageLink())

    def work(self, step: Step) -> StageResult:
        from pressrun.training import train

        return train(step, self.result("ingested"), self.result("sampled"), self.result("labeled"))
