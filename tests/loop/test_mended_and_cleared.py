"""What is done again after something was mended, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.labeling.static import StaticLabeler
from pressrun.lake import StageResult
from pressrun.loop import UpstreamStopped, stage
from pressrun.registry import ModelRef
from pressrun.training import stage as training
from tests.loop.conftest import STAGES, Contents, Stations, land
from tests.night import Night


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many articles the machine labeler was given, call by call."""
    counts: list[int] = []
    answer = StaticLabeler.label

    def counted(labeler: StaticLabeler, articles: Any) -> Any:
        counts.append(len(articles))
        return answer(labeler, articles)

    monkeypatch.setattr(StaticLabeler, "label", counted)
    return counts


def cleared(night: Night, name: str, *upstream: StageResult, pipeline: Pipeline | None = None) -> StageResult:
    """What the task does that a person has cleared."""
    step = night.step(name, asked="cleared after try 1", pipeline=pipeline or night.pipeline)
    return stage(name)(step, *upstream)


def test_training_that_failed_and_was_mended_finds_sample_and_labels_as_they_were(
    stations: Stations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: list[int],
    contents: Callable[[Night], Contents],
) -> None:  # fmt: skip
    night = stations.before("train", tmp_path / "home")

    def broken(*given: Any, **more: Any) -> Any:
        raise ZeroDivisionError("a mistake in the code")

    with monkeypatch.context() as patch:
        patch.setattr(training, "learn", broken)
        with pytest.raises(ZeroDivisionError):
            night.run("train")
    for name in STAGES[:3]:
        assert night.run(name) == cleared(night, name, *upstream_of(name, stations)) == stations.results[name]
    assert night.run("train").facts["family"] == stations.results["train"].facts["family"]
    assert called == []
    assert contents(night) == contents(stations.after("train"))


def upstream_of(name: str, stations: Stations) -> list[StageResult]:
    return [stations.results[before] for before in STAGES[: STAGES.index(name)]]


def test_a_cleared_training_with_other_settings_is_another_model_in_the_place_of_the_first(
    stations: Stations, tmp_path: Path, called: list[int], contents: Callable[[Night], Contents]
) -> None:
    night = stations.before("train", tmp_path / "home")
    first = night.run("train")
    settings = night.pipeline.train.model_copy(update={"self_training": True})
    edited = night.pipeline.model_copy(update={"train": settings})
    upstream = upstream_of("train", stations)
    assert stage("train")(night.step("train", pipeline=edited), *upstream) == first, "a retry changes nothing"
    second = cleared(night, "train", *upstream, pipeline=edited)
    assert second.facts["model"]["version"] == "2"
    assert second.datasets["examples"].rows > first.datasets["examples"].rows
    assert len(contents(night)["examples"]) == second.datasets["examples"].rows
    assert called == []


def test_a_second_night_with_nothing_new_reuses_the_model_and_its_verdict(
    stations: Stations, tmp_path: Path, called: list[int]
) -> None:
    night = everything_drawn(stations, tmp_path)
    first = {name: night.run(name) for name in (*STAGES, "gate")}
    calls = list(called)
    second = {name: night.run(name, "night-2") for name in (*STAGES, "gate")}
    assert [second[name].facts["nothing_new"] for name in ("ingest", "sample", "label")] == [True] * 3
    assert second["train"].reused_from == first["train"].step_key
    assert second["gate"].reused_from == first["gate"].step_key
    assert called == calls
    third = {name: night.run(name, "night-3") for name in (*STAGES, "gate")}
    assert third["train"].facts["model"] == first["train"].facts["model"]
    assert third["sample"].datasets["groups"] == first["sample"].datasets["groups"]


def everything_drawn(stations: Stations, tmp_path: Path) -> Night:
    """A night whose sample is all there is."""
    night = stations.before("sample", tmp_path / "home")
    given = night.pipeline.model_dump()
    given["sample"] |= {"rows": 1000}
    given["gate"] |= {"min_audited": 20}
    return Night(environment=night.environment, pipeline=Pipeline.model_validate(given), results={})


def test_a_gate_is_judged_again_when_it_is_cleared_and_another_champion_serves(
    stations: Stations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = everything_drawn(stations, tmp_path)
    done = {name: night.run(name) for name in (*STAGES, "gate")}
    promoted = ModelRef.model_validate(done["train"].facts["model"])
    monkeypatch.setattr("pressrun.rollout.served", lambda environment, model: promoted)
    upstream = [done[name] for name in STAGES]
    assert night.run("gate") == done["gate"]
    assert cleared(night, "gate", *upstream).facts["nothing_new"]
    assert night.run("gate").facts["nothing_new"]


def test_a_label_step_that_died_for_good_is_made_up_for_by_the_next_run(
    stations: Stations, tmp_path: Path, called: list[int], contents: Callable[[Night], Contents]
) -> None:
    night = stations.before("label", tmp_path / "home")
    second = {name: night.run(name, "night-2") for name in STAGES}
    assert second["sample"].datasets["samples"] == stations.results["sample"].datasets["samples"]
    assert called == [60]
    assert contents(night)["labels"] == contents(stations.after("label"))["labels"]


def test_a_run_that_was_stopped_at_its_batch_goes_no_further_and_the_next_run_judges_again(
    stations: Stations, tmp_path: Path, called: list[int]
) -> None:
    night = stations.before("ingest", tmp_path / "home")
    land(night, 1, more="\n".join(['{"title": ""}'] * 40))
    for run in ("night-1", "night-2"):
        assert night.run("ingest", run).stopped
        with pytest.raises(UpstreamStopped, match="this run has ended at ingest: fail"):
            night.run("sample", run)
    land(night, 1)
    assert not night.run("ingest", "night-3").stopped
    assert night.run("sample", "night-3").facts["rows"] == 60
    assert called == []


def test_fresh_on_the_same_run_does_it_again_and_doubles_nothing(
    stations: Stations, tmp_path: Path, called: list[int], contents: Callable[[Night], Contents]
) -> None:
    night = stations.before("train", tmp_path / "home")
    before = contents(night)
    for name in ("ingest", "sample", "label"):
        night.run(name, fresh=True)
    assert called == [60]
    assert contents(night) == before
