"""A real stage in a real process dies by SIGKILL at each commit, and is tried again: no row is lost or doubled."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.lake import writing
from pressrun.registry.tracking import connect
from pressrun.taste import tasting_environment
from tests.forks import FORKS
from tests.loop.conftest import STAGES, Contents, Stations
from tests.night import Night

COMMITS = {"ingest": 5, "sample": 3, "label": 5, "train": 2}


def run_until(stage: str, home: Path, pipeline: Pipeline, commits: int) -> None:
    """Runs the stage and dies as soon as so many commits have landed; with 0, when it is about to do the first."""
    commit, landed = writing._commit, 0

    def counted(*given: Any, **more: Any) -> None:
        nonlocal landed
        if commits:
            commit(*given, **more)
        landed += 1
        if landed >= commits:
            os.kill(os.getpid(), signal.SIGKILL)

    writing._commit = counted
    Night(environment=tasting_environment(home), pipeline=pipeline, results={}).run(stage)


def killed(stage: str, night: Night, commits: int) -> int | None:
    process = FORKS.Process(target=run_until, args=(stage, night.environment.home, night.pipeline, commits))
    process.start()
    process.join(timeout=250)
    return process.exitcode


@pytest.mark.parametrize(
    ("stage", "commits"), [(stage, number) for stage in STAGES for number in range(COMMITS[stage] + 1)]
)
def test_a_stage_killed_at_a_commit_and_tried_again_leaves_what_it_leaves_undisturbed(
    stage: str, commits: int, stations: Stations, tmp_path: Path, contents: Callable[[Night], Contents]
) -> None:
    night = stations.before(stage, tmp_path / "home")
    before = contents(night)
    assert killed(stage, night, commits) == -signal.SIGKILL
    finished = commits == COMMITS[stage]
    assert (contents(night) == before) is not finished, "rows are seen when their step has finished, and not before"
    result = night.run(stage)
    assert result.reused_from is None
    assert {name: dataset.rows for name, dataset in result.datasets.items()} == {
        name: dataset.rows for name, dataset in stations.results[stage].datasets.items()
    }
    assert contents(night) == contents(stations.after(stage))
    if stage == "train":
        assert len(connect(night.environment).search_model_versions("name = 'topics'")) == 1
