"""Two whole runs of one pipeline, in two processes at once: both end right, and nothing is there twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.jobs import Questions, open_database
from pressrun.lake import StageResult, StepKey
from pressrun.registry.tracking import connect
from pressrun.simulator import write_night
from pressrun.step import open_lake
from pressrun.taste import tasting_environment
from tests.forks import await_start, together
from tests.loop.conftest import NEWSROOM, STAGES, Contents, Stations
from tests.night import RETRAIN, Night

pytestmark = pytest.mark.slow
ONCE = {
    "articles": ("article_id",),
    "given": ("article_id",),
    "rejects": ("origin", "line"),
    "samples": ("article_id",),
    "labels": ("article_id", "labeler"),
}


def whole_run(home: Path, pipeline: Pipeline, run: str, start: Path, number: int) -> None:
    """Waits for the start, lands a night in one move, and runs every stage up to the training."""
    night = Night(environment=tasting_environment(home), pipeline=pipeline, results={})
    written = write_night(NEWSROOM, number, out=start.with_name(f"written by {run}")).articles
    await_start(start, f"{run}")
    written.rename(Path(night.environment.landing) / pipeline.model / written.name)
    for stage in STAGES:
        night.run(stage, run)


def at_once(night: Night, tmp_path: Path, *, nights: tuple[int, int]) -> list[dict[str, StageResult]]:
    """Both runs, begun together, and what their stages handed on."""
    start, runs = tmp_path / "start", ("one", "two")
    given = [(night.environment.home, night.pipeline, run, start, n) for run, n in zip(runs, nights, strict=True)]
    together(whole_run, given, start=start)
    return [finished(night, run) for run in runs]


def finished(night: Night, run: str) -> dict[str, StageResult]:
    lake = open_lake(night.environment)
    results = {stage: lake.finished(StepKey(dag_id=RETRAIN, run_id=run, task_id=stage)) for stage in STAGES}
    assert not any(result is None or result.stopped for result in results.values())
    return results  # type: ignore[return-value]


def assert_nothing_twice(night: Night) -> None:
    lake, model = open_lake(night.environment), night.pipeline.model
    for table, columns in ONCE.items():
        rows = lake.read(lake.snapshot(table, pipeline=model), list(columns)).to_pylist()
        values = [tuple(row.values()) for row in rows]
        assert len(values) == len(set(values)), table
    samples = lake.read(lake.snapshot("samples", pipeline=model), ["article_id"])["article_id"].to_pylist()
    labels = lake.read(lake.snapshot("labels", pipeline=model), ["article_id"])["article_id"].to_pylist()
    assert set(samples) == set(labels), "what was drawn was labeled"


@pytest.fixture
def night(stations: Stations, tmp_path: Path) -> Night:
    """A home without an article, whose MLflow has its tables and nothing else."""
    before = stations.before("ingest", tmp_path / "home")
    landing = Path(before.environment.landing) / before.pipeline.model
    shutil.rmtree(landing)
    landing.mkdir()
    return before


def test_of_two_runs_over_the_same_files_one_does_the_work_and_both_hand_it_on(
    night: Night, tmp_path: Path, contents: Callable[[Night], Contents], stations: Stations
) -> None:
    one, two = at_once(night, tmp_path, nights=(1, 1))
    assert_nothing_twice(night)
    for stage, name in (("ingest", "articles"), ("sample", "groups"), ("label", "all_labels")):
        assert one[stage].datasets[name].digest == two[stage].datasets[name].digest
    assert one["train"].facts["model"]["digest"] == two["train"].facts["model"]["digest"]
    alone, both = contents(stations.after("train")), contents(night)
    for table in ("articles", "given", "samples", "groups", "labels", "examples"):
        assert both[table] == alone[table]


def test_of_two_runs_over_nights_that_overlap_each_article_is_added_drawn_and_labeled_once(
    night: Night, tmp_path: Path
) -> None:
    one, two = at_once(night, tmp_path, nights=(1, 2))
    assert_nothing_twice(night)
    lake = open_lake(night.environment)
    assert lake.snapshot("articles", pipeline="topics").rows == 240
    assert max(run["ingest"].datasets["articles"].rows for run in (one, two)) == 240
    questions = Questions(open_database(night.environment.database))
    assert questions.unanswered(pipeline="topics") == []
    assert len(connect(night.environment).search_model_versions("name = 'topics'")) <= 2
