"""Two runs that tell MLflow of the same thing at once: both find that it is not there, and one of them makes it."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput
from sqlalchemy import Engine, event

from pressrun.config.environment import Environment
from pressrun.registry.models import _ensure_model
from pressrun.registry.tracking import connect, log_inputs, open_run


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


def test_a_dataset_that_another_run_has_logged_meanwhile_is_used(environment: Environment) -> None:
    first, second = (open_run(environment, experiment="topics", step_key=key, tags={}) for key in ("one", "two"))
    client = connect(environment)
    articles = [DatasetInput(Dataset(name="articles", digest="ec3e", source_type="pressrun", source="{}"))]
    overtaken = iter([True])

    def first_gets_ahead(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("INSERT INTO datasets") and next(overtaken, False):
            log_inputs(client, first, articles)

    event.listen(Engine, "before_cursor_execute", first_gets_ahead)
    try:
        log_inputs(client, second, articles)
    finally:
        event.remove(Engine, "before_cursor_execute", first_gets_ahead)
    assert next(overtaken, None) is None
    for run in (first, second):
        assert [one.dataset.name for one in client.get_run(run).inputs.dataset_inputs] == ["articles"]
