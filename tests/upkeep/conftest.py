"""A home whose lake remembers nothing but what somebody needs, and one in which readers have clicked."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pressrun.config.environment import Environment, LakeRetention
from pressrun.config.load import load_pipeline
from tests.upkeep.site import PIPELINE, Site

NOTHING = LakeRetention(log=0, files=0, transactions=0)
NO_GRACE = timedelta(0)


def forgetful(environment: Environment) -> Environment:
    """The same with the retention set to nothing."""
    return environment.model_copy(update={"lake": environment.lake.model_copy(update={"retention": NOTHING})})


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's store with nothing in it; to make one takes seconds."""
    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_registered_models()
    return file


@pytest.fixture
def site(environment: Environment, registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    repository, shown, config = Path(__file__).parents[2], environment.home / "shown", tmp_path / "config"
    shown.mkdir()
    shutil.copy(registry, environment.home / "mlflow.db")
    (config / "pipelines").mkdir(parents=True)
    taxonomy = repository / "config" / "taxonomies" / "news-topics.yaml"
    file = config / "pipelines" / "topics.yaml"
    file.write_text(PIPELINE.replace("PATH", str(shown)).replace("TAXONOMY", str(taxonomy)))
    monkeypatch.setenv("PRESSRUN_CONFIG", str(config))
    return Site(environment, load_pipeline(file), shown)
