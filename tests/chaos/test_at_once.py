"""Two pipelines and two nights of each, all at once on one lake, one database and one MLflow."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.jobs import Questions, open_database
from pressrun.lake import Lake, StageResult, StepKey
from pressrun.loop import run_stage
from pressrun.registry.tracking import connect
from pressrun.simulator import Newsroom, write_night
from pressrun.step import open_lake
from pressrun.taste import tasting_environment
from tests.forks import await_start, together
from tests.loop.conftest import STAGES, Stations
from tests.night import Night

pytestmark = pytest.mark.slow
MODELS, NIGHTS = ("topics", "desks"), (1, 2)
ARTICLES = 60
ONCE = {
    "articles": ("article_id",),
    "given": ("article_id",),
    "samples": ("article_id",),
    "labels": ("article_id", "labeler"),
    "steps": ("step_key",),
}


def run_at_once(home: Path, pipeline: Pipeline, number: int, start: Path) -> None:
    """Waits for the start, lands a night of the model's own newsroom in one move, and runs every stage."""
    night = Night(environment=tasting_environment(home), pipeline=pipeline, results={})
    newsroom = Newsroom(seed=MODELS.index(pipeline.model) + 3, articles_per_night=ARTICLES)
    run = f"night-{number}"
    written = write_night(newsroom, number, out=start.with_name(f"{pipeline.model} {run}")).articles
    landing = Path(night.environment.landing) / pipeline.model
    landing.mkdir(parents=True, exist_ok=True)
    await_start(start, f"{pipeline.model}-{run}")
    written.rename(landing / written.name)
    for stage in STAGES:
        run_stage(
            stage, pipeline=pipeline, environment=night.environment, dag_id=f"{pipeline.model}_retrain", run_id=run
        )


def finished(lake: Lake, model: str, number: int) -> dict[str, StageResult]:
    """What each stage of a run handed on; every one must have finished."""
    keys = {name: StepKey(dag_id=f"{model}_retrain", run_id=f"night-{number}", task_id=name) for name in STAGES}
    found = {name: lake.finished(key) for name, key in keys.items()}
    assert not [name for name, result in found.items() if result is None or result.stopped], (model, number)
    return {name: result for name, result in found.items() if result is not None}


@pytest.fixture
def home(stations: Stations, tmp_path: Path) -> Path:
    """A home without an article, whose MLflow has its tables and nothing else."""
    home: Path = stations.before("ingest", tmp_path / "home").environment.home
    shutil.rmtree(home / "landing")
    return home


def test_two_nights_of_two_pipelines_at_once_end_as_if_each_pipeline_were_alone(
    home: Path, small: Pipeline, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    pipelines = {model: small.model_copy(update={"model": model}) for model in MODELS}
    given = [(home, pipelines[model], number, start) for model in MODELS for number in NIGHTS]
    together(run_at_once, given, start=start)
    environment = tasting_environment(home)
    lake, client = open_lake(environment), connect(environment)
    for model in MODELS:
        runs = [finished(lake, model, number) for number in NIGHTS]
        for table, columns in ONCE.items():
            rows = lake.read(lake.snapshot(table, pipeline=model), [*columns, "pipeline"]).to_pylist()
            counts = Counter(tuple(row[name] for name in columns) for row in rows)
            assert {row["pipeline"] for row in rows} == {model}
            assert [key for key, count in counts.items() if count > 1] == [], table
        # Each night's articles and no other newsroom's: nothing is lost, nothing crosses over.
        assert lake.snapshot("articles", pipeline=model).rows == ARTICLES * len(NIGHTS)
        versions = client.search_model_versions(f"name = '{model}'")
        trained = {run["train"].facts["model"]["version"] for run in runs}
        assert {version.version for version in versions} >= {int(version) for version in trained}
        assert len(versions) <= len(NIGHTS)
        assert Questions(open_database(environment.database)).unanswered(pipeline=model) == []
