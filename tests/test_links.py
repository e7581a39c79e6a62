"""The addresses that tasks, messages and reports show."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.config.environment import Environment, Mlflow
from pressrun.lake import StageResult
from pressrun.links import mlflow_run_url, stage_links
from pressrun.verdict import Assertion, Decision, Verdict

SECRET = "s3cret-of-links"


@pytest.fixture
def signed_in(environment: Environment) -> Environment:
    """An environment whose addresses sign somebody in, as `load_environment` reads it."""
    given = {**environment.model_dump(), "airflow_url": f"https://ann:{SECRET}@airflow.example/base/"}
    given["mlflow"] = {"tracking_uri": f"https://ann:{SECRET}@mlflow.example/base/"}
    return Environment.model_validate(given)


def gated(environment: Environment) -> StageResult:
    check = Assertion(metric="bundle", decision=Decision.PASS, reason="it loads")
    report = str(environment.home / "reports" / "topics" / "gate 1.html")
    verdict = Verdict(kind="gate", pipeline="topics", checks=(check,), report=report)
    return StageResult(stage="gates", step_key="d/r/gate/-1", verdict=verdict, facts={"model": {"run_id": "abc"}})


def test_links_lead_to_the_place_and_sign_nobody_in(signed_in: Environment) -> None:
    assert stage_links(gated(signed_in), signed_in, "topics") == {
        "page": "https://airflow.example/base/pressrun/models/topics",
        "rollout": "https://airflow.example/base/pressrun/rollouts/topics",
        "report": "https://airflow.example/base/pressrun/reports/topics/gate%201.html",
        "mlflow": "https://mlflow.example/base/#/runs/abc",
    }


def test_an_mlflow_that_nobody_serves_has_no_page(environment: Environment, tmp_path: Path) -> None:
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path)):
        nobody = environment.model_copy(update={"mlflow": Mlflow(tracking_uri=uri)})
        assert mlflow_run_url(nobody, "abc") == ""
