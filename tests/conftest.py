"""What every test may ask for: a home of its own, an environment and a pipeline in it, nothing from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pressrun.config.environment import Environment, LakeRoot, Mlflow, Spark
from pressrun.config.load import load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.lake import Lake
from pressrun.step import open_lake
from tests.night import Night

REPOSITORY = Path(__file__).parent.parent
_SECRETS = ("SLACK_BOT_TOKEN", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_OFFLINE = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TRANSFORMERS_OFFLINE": "1",
}

# How fast the machine is says nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_SECRETS, "PRESSRUN_DATA", "PRESSRUN_ENVIRONMENT", "PRESSRUN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in _OFFLINE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, which `PRESSRUN_HOME` names too."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("PRESSRUN_HOME", str(folder))
    return folder


@pytest.fixture
def environment(home: Path) -> Environment:
    """A laptop below `home`, with the small engine, so that no test needs Java unless it says so."""
    return Environment(
        name="test",
        home=home,
        lake=LakeRoot(root=str(home / "lake")),
        database=f"sqlite:///{home / 'pressrun.db'}",
        landing=str(home / "landing"),
        mlflow=Mlflow(tracking_uri=f"sqlite:///{home / 'mlflow.db'}"),
        spark=Spark(engine="duckdb"),
        slack="optional",
    )


@pytest.fixture
def pipeline() -> Pipeline:
    """The repository's own config/pipelines/topics.yaml."""
    return load_pipeline(REPOSITORY / "config" / "pipelines" / "topics.yaml")


@pytest.fixture
def lake(environment: Environment) -> Lake:
    """An empty lake."""
    return open_lake(environment)


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """What one night of the real stages leaves behind, MLflow's store with it. For reading: tests take `night`."""
    topics = load_pipeline(REPOSITORY / "config" / "pipelines" / "topics.yaml")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _OFFLINE.items():
            patch.setenv(name, value)
        return Night.begun(tmp_path_factory.mktemp("first-night"), topics)


@pytest.fixture
def night(first_night: Night, home: Path) -> Night:
    """A copy of the first night, to go on from."""
    return first_night.copied(home)
