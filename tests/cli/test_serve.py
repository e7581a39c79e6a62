"""`pressrun serve`: which model it serves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config.environment import Environment
from pressrun.registry import ModelRef
from pressrun.rollout.record import RecordStore
from tests.cli.made import registered


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the server was started with, instead of a server."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "pressrun.serving.serve", lambda bundle, host, port, **more: started.append({"bundle": bundle, **more})
    )
    return started


@pytest.fixture
def models(environment: Environment, tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    return tuple(registered(environment, tmp_path, night=night, sure=float(night)) for night in (1, 2))  # type: ignore[return-value]


def routed(environment: Environment, model: ModelRef) -> None:
    RecordStore(environment).update("topics", lambda record: record.model_copy(update={"champion": model}))


def test_without_a_version_the_newest_is_served(
    cli: CliRunner, models: tuple[ModelRef, ModelRef], served: list[dict[str, Any]]
) -> None:
    result = cli.invoke(app, ["serve", "topics"])
    assert result.exit_code == 0, result.output
    assert (served[0]["version"], served[0]["digest"]) == ("2", models[1].digest)


def test_what_the_router_serves_comes_before_what_is_newer_and_after_what_is_named(
    cli: CliRunner, environment: Environment, models: tuple[ModelRef, ModelRef], served: list[dict[str, Any]]
) -> None:
    routed(environment, models[0])
    assert cli.invoke(app, ["serve", "topics"]).exit_code == 0
    assert cli.invoke(app, ["serve", "topics", "--version", "2"]).exit_code == 0
    assert [(one["version"], str(one["bundle"])) for one in served] == [(m.version, m.bundle) for m in models]


def test_the_champion_is_served_with_mlflow_away_and_fetched_where_its_files_are_not_here(
    cli: CliRunner,
    environment: Environment,
    models: tuple[ModelRef, ModelRef],
    served: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routed(environment, models[0])
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        assert cli.invoke(app, ["serve", "topics"]).exit_code == 0
    shutil.rmtree(models[0].bundle)
    assert cli.invoke(app, ["serve", "topics"]).exit_code == 0
    assert [Path(one["bundle"]).is_dir() for one in served] == [True, True]


def test_nothing_registered_says_so_and_what_to_do(cli: CliRunner, served: list[dict[str, Any]]) -> None:
    result = cli.invoke(app, ["serve", "topics"])
    assert result.exit_code == 2
    assert "topics has no version in MLflow yet" in result.output
    assert "pressrun train" in result.output
    assert served == []
