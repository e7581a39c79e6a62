"""The stage over a real lake: once each, with rejects counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.step import Step

MakeStep = Callable[[str], Step]


@pytest.fixture
def make_step(environment: Environment, pipeline: Pipeline, lake: Lake) -> MakeStep:
    def make(run: str) -> Step:
        key = StepKey(dag_id="topics_retrain", run_id=run, task_id="ingest")
        return Step(key=key, pipeline=pipeline, environment=environment, lake=lake)

    return make


@pytest.fixture
def landing(environment: Environment) -> Path:
    folder = Path(environment.landing) / "topics"
    folder.mkdir(parents=True)
    return folder


def rows(start: int, count: int, label: str = "1") -> str:
    return "".join(f'"{label}","Title {n}","The body of article {n} is here"\n' for n in range(start, start + count))


def test_an_empty_landing_folder_is_nothing_new(make_step: MakeStep) -> None:
    result = ingest(make_step("1"))
    assert result.facts["nothing_new"]
    assert result.verdict is None
    assert result.datasets["batch"].rows == 0


def test_articles_are_added_once(make_step: MakeStep, landing: Path) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + rows(0, 1))
    first = ingest(make_step("1"))
    (landing / "b.csv").write_text(rows(20, 20))
    second, third = ingest(make_step("2")), ingest(make_step("3"))
    assert [r.datasets["batch"].rows for r in (first, second, third)] == [30, 10, 0]
    assert second.datasets["articles"].rows == 40
    assert third.facts["nothing_new"]
    assert first.verdict is not None
    assert first.verdict.decision == "pass"


def test_a_retry_gets_what_the_first_try_made(make_step: MakeStep, landing: Path) -> None:
    (landing / "a.csv").write_text(rows(0, 30))
    assert ingest(make_step("1")) == ingest(make_step("1"))


def test_bad_rows_are_rejects_once_and_stop_the_night_when_many(make_step: MakeStep, landing: Path, lake: Lake) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + '"1"\n' * 5 + '"1","",""\n')
    result = ingest(make_step("1"))
    rejects = lake.read(result.datasets["rejects"]).to_pylist()
    assert [(r["origin"], r["line"]) for r in rejects] == [("a.csv", line) for line in range(31, 37)]
    assert result.facts["rejects"] == 6
    assert result.verdict is not None
    assert result.verdict.decision == "fail"
    assert ingest(make_step("2")).facts["nothing_new"]


def test_labels_are_given_and_those_outside_the_taxonomy_are_told(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + rows(30, 1, label="Gossip"))
    result = ingest(make_step("1"))
    given = lake.read(result.datasets["given"]).to_pylist()
    assert {(r["label"], r["raw"]) for r in given} == {("World", "1"), (None, "Gossip")}
    assert result.facts["labels_outside_taxonomy"] == 1
    assert result.datasets["batch"].rows == 31
