"""A small night of the real stages, and a home as it was before each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.load import load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult
from pressrun.registry.tracking import connect
from pressrun.simulator import Newsroom, write_night
from pressrun.step import open_lake
from pressrun.taste import tasting_environment
from tests.conftest import REPOSITORY
from tests.night import Night, nightly

NEWSROOM = Newsroom(seed=3, articles_per_night=120)
STAGES = ("ingest", "sample", "label", "train")
# What is true of rows whenever and wherever they are made; house columns, times and random names are not.
COLUMNS = {
    "articles": ("article_id", "title", "published_at"),
    "given": ("article_id", "label"),
    "rejects": ("origin", "line", "reason"),
    "samples": ("article_id", "stratum", "group_id", "reason"),
    "groups": ("article_id", "group_id"),
    "labels": ("article_id", "labeler", "role", "labels", "abstained"),
    "examples": ("article_id", "target", "split", "provenance", "labeler"),
    "verdicts": ("kind", "decision"),
    "steps": ("stage", "step_key"),
}


@pytest.fixture(scope="session")
def small() -> Pipeline:
    """A pipeline whose whole night takes a second or two."""
    given = nightly(load_pipeline(REPOSITORY / "config" / "pipelines" / "topics.yaml")).model_dump()
    given["sample"] |= {"rows": 60}
    given["label"]["audit"] |= {"share": 0.4, "floor": 0.5, "min_rows": 5}
    given["train"] |= {"features": ["static"], "self_training": False}
    return Pipeline.model_validate(given)


def land(night: Night, number: int, *, more: str = "") -> None:
    """The newsroom's articles of one night; `more` is a line after them."""
    folder = Path(night.environment.landing) / night.pipeline.model
    written = write_night(NEWSROOM, number, out=folder)
    if more:
        with written.articles.open("a") as file:
            file.write(more + "\n")


@dataclass(frozen=True, kw_only=True)
class Stations:
    """Homes as they were before each stage, and after the last; what each stage handed on when nothing happened."""

    homes: dict[str, Path]
    results: dict[str, StageResult]
    pipeline: Pipeline

    def before(self, stage: str, home: Path) -> Night:
        """A copy of the home as it was before the stage."""
        shutil.copytree(self.homes[stage], home, dirs_exist_ok=True)
        return Night(environment=tasting_environment(home), pipeline=self.pipeline, results=dict(self.results))

    def after(self, stage: str) -> Night:
        """For reading: the home after the stage."""
        home = self.homes[(*STAGES, "end")[STAGES.index(stage) + 1]]
        return Night(environment=tasting_environment(home), pipeline=self.pipeline, results=dict(self.results))


@pytest.fixture(scope="session")
def stations(tmp_path_factory: pytest.TempPathFactory, small: Pipeline) -> Iterator[Stations]:
    home = tmp_path_factory.mktemp("stations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        (home / "now").mkdir()
        night = Night(environment=tasting_environment(home / "now"), pipeline=small, results={})
        # MLflow takes seconds to make its tables: once here, and not in every copy.
        connect(night.environment).search_registered_models()
        land(night, 1, more='{"title": ""}')
        homes: dict[str, Path] = {}
        for stage in (*STAGES, "end"):
            homes[stage] = home / stage
            shutil.copytree(home / "now", homes[stage])
            if stage != "end":
                night = replace(night, results={**night.results, stage: night.run(stage)})
        yield Stations(homes=homes, results=night.results, pipeline=small)


Contents = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def contents() -> Callable[[Night], Contents]:
    """All rows that are seen, table by table, in an order of their own."""

    def read(night: Night) -> Contents:
        lake, model = open_lake(night.environment), night.pipeline.model
        tables = {name: lake.snapshot(name, pipeline=model) for name in COLUMNS}
        rows = {name: lake.read(seen, list(COLUMNS[name])).to_pylist() for name, seen in tables.items()}
        return {name: sorted((tuple(row.values()) for row in found), key=repr) for name, found in rows.items()}

    return read
