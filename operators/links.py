"""Buttons on a task's page. Airflow keeps each task's links as XCom, so they outlive the code that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class _StageLink(BaseOperatorLink):
    """Shows what the operator has put into its `links`; empty until there is something to open."""

    shows: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        links: dict[str, str] = getattr(operator, "links", {})
        return links.get(self.shows, "")


class MlflowRunLink(_StageLink):
    """The MLflow run of the training."""

    name = "MLflow run"
    shows = "mlflow"


class GateReportLink(_StageLink):
    """The gate's HTML report: candidate against champion."""

    name = "Gate report"
    shows = "report"


class DriftReportLink(_StageLink):
    """Evidently's report of one window of traffic."""

    name = "Drift report"
    shows = "report"


class RolloutLink(_StageLink):
    """The rollout as its controller shows it."""

    name = "Rollout"
    shows = "rollout"


class RolloutReportLink(_StageLink):
    """The rollout's page as it was kept at its end."""

    name = "Rollout report"
    shows = "report"


class JobLink(_StageLink):
    """The job on its platform's own page, where it has one: states, logs, Spark's UI."""

    name = "Job"
    shows = "job"


class ModelPageLink(_StageLink):
    """The model page: champion, candidate, lineage and verdicts."""

    name = "Model page"
    shows = "page"
