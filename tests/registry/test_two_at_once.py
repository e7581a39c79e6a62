"""Two runs that register their first model at once: both find no experiment and no model, and one of them makes it."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

from pressrun.config.environment import Environment
from pressrun.registry.models import _ensure_model
from pressrun.registry.tracking import connect, open_run


def test_an_experiment_that_another_run_has_made_meanwhile_is_used(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_run(environment, experiment="topics", step_key="one", tags={})
    look, looked = MlflowClient.get_experiment_by_name, iter([True])

    def too_early(client: MlflowClient, name: str) -> Any:
        return None if next(looked, False) else look(client, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", too_early)
    second = open_run(environment, experiment="topics", step_key="two", tags={})
    client = connect(environment)
    assert client.get_run(first).info.experiment_id == client.get_run(second).info.experiment_id


def test_a_model_that_another_run_has_made_meanwhile_is_used(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(environment)
    _ensure_model(client, "topics")
    monkeypatch.setattr(MlflowClient, "search_registered_models", lambda *given, **more: [])
    _ensure_model(client, "topics")
    monkeypatch.undo()
    assert [model.name for model in client.search_registered_models()] == ["topics"]
