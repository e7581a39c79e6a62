"""Where what a stage made can be looked at: the addresses behind the buttons of a task and on the model page."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.lake.types import StageResult

PAGES = "/pressrun"


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


def report_file(environment: Environment, model: str, name: str, *, step_key: str) -> Path:
    """Where a step keeps its report: the same file whatever try it is of."""
    digest = hashlib.sha256(step_key.encode()).hexdigest()[:16]
    return environment.home / "reports" / model / f"{name}-{digest}.html"


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
    uri = environment.mlflow.shown_uri
    if not uri.startswith(("http://", "https://")):
        return ""
    return f"{uri.rstrip('/')}/#/runs/{quote(run_id)}"
