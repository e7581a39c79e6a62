"""Buttons on a task's page. Airflow keeps each task's links as XCom, so they outlive the code that made them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from pressrun.config.environment import Environment
    from pressrun.lake.types import StageResult

PAGES = "/pressrun"


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


class ModelPageLink(_StageLink):
    """The model page: champion, candidate, lineage and verdicts."""

    name = "Model page"
    shows = "page"


def stage_links(result: StageResult | None, environment: Environment, model: str) -> dict[str, str]:
    """What there is to open after a stage (or before it ended: None), by what it shows."""
    page = model_page_url(environment, model)
    links = {"page": page, "rollout": rollout_url(environment, model)}
    if result and result.verdict and result.verdict.report:
        links["report"] = report_url(environment, result.verdict.report)
    if result and (run_id := (result.facts.get("model") or {}).get("run_id")):
        links["mlflow"] = mlflow_run_url(environment, run_id)
    return {shows: url for shows, url in links.items() if url}


def model_page_url(environment: Environment, model: str) -> str:
    """Where the plugin shows the model."""
    return f"{environment.airflow_url.rstrip('/')}{PAGES}/models/{quote(model)}"


def rollout_url(environment: Environment, model: str) -> str:
    """Where the plugin shows the model's rollout."""
    return f"{environment.airflow_url.rstrip('/')}{PAGES}/rollouts/{quote(model)}"


def report_url(environment: Environment, report: str) -> str:
    """Where the plugin serves a report that lies below the environment's reports; empty for one elsewhere."""
    folder = (environment.home / "reports").resolve()
    path = Path(report).resolve()
    if not path.is_relative_to(folder):
        return ""
    relative = path.relative_to(folder).as_posix()
    return f"{environment.airflow_url.rstrip('/')}{PAGES}/reports/{quote(relative)}"


def mlflow_run_url(environment: Environment, run_id: str) -> str:
    """The run's page in MLflow's UI; empty when the store is a file or a database that nobody serves."""
    uri = environment.mlflow.tracking_uri
    if not uri.startswith(("http://", "https://")):
        return ""
    return f"{uri.rstrip('/')}/#/runs/{quote(run_id)}"
