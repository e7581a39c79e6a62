"""A step over the simulator's articles, ingested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline, Read
from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StageResult, StepKey
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step

NEWSROOM = Newsroom(seed=3, articles_per_night=300)
MakeStep = Callable[..., Step]


@pytest.fixture
def make_step(environment: Environment, pipeline: Pipeline, lake: Lake) -> MakeStep:
    """A step of a run; `sample` changes the pipeline's section."""

    def make(run: str, task: str, **sample: object) -> Step:
        articles = pipeline.articles.model_copy(update={"read": Read()})
        section = pipeline.sample.model_copy(update={"rows": 60, **sample})
        changed = pipeline.model_copy(update={"articles": articles, "sample": section})
        key = StepKey(dag_id="topics_retrain", run_id=run, task_id=task)
        return Step(key=key, pipeline=changed, environment=environment, lake=lake)

    return make


@pytest.fixture
def newsroom() -> Newsroom:
    return NEWSROOM


@pytest.fixture
def landing(environment: Environment) -> Path:
    return Path(environment.landing) / "topics"


@pytest.fixture
def ingested(make_step: MakeStep, landing: Path) -> StageResult:
    write_night(NEWSROOM, 1, out=landing)
    return ingest(make_step("night-1", "ingest"))
