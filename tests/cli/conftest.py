"""Commands as people type them, against a laptop below a temporary home with an MLflow that is a file."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pressrun.config.environment import Environment


@pytest.fixture
def cli() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(autouse=True)
def laptop(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """What the commands find is what `environment` names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", environment.mlflow.tracking_uri)
    return environment
