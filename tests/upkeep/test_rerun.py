"""A part of a past night once more: on what was known then, beside it, and with nothing of it touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.registry.lineage import registered_versions
from pressrun.step import open_lake
from pressrun.upkeep.rerun import NotRepeatable, rerun
from tests.night import STAGES, Night


@pytest.fixture(scope="module")
def nights(first_night: Night, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A home in which a second night has learned more."""
    two = first_night.copied(tmp_path_factory.mktemp("nights"))
    two.land(2)
    for name in STAGES:
        two.run(name, "night-2")
    return two


def state(night: Night) -> tuple[object, ...]:
    """All that a rerun must leave alone."""
    lake = open_lake(night.environment)
    tables = [lake.snapshot(name, pipeline="topics") for name in ("steps", "articles", "samples", "labels", "examples")]
    return (*((table.version, table.digest) for table in tables), len(registered_versions(night.environment)))


def test_the_same_settings_make_the_same_model_of_a_past_night_although_more_is_known_now(nights: Night) -> None:
    before = state(nights)
    done = rerun(nights.environment, nights.pipeline, "night-1", begin="train")
    assert list(done.now) == ["train", "gate"]
    assert done.now["train"].facts["model"]["digest"] == done.then["train"].facts["model"]["digest"]
    assert done.now["train"].datasets["examples"].digest == done.then["train"].datasets["examples"].digest
    assert state(nights) == before


def test_other_settings_are_tried_on_that_nights_rows_and_judged_against_its_champion(nights: Night) -> None:
    train = nights.pipeline.train.model_copy(update={"seed": 5, "self_training": False})
    changed = nights.pipeline.model_copy(update={"train": train})
    done = rerun(nights.environment, changed, "topics_retrain/night-1", begin="train")
    assert done.now["train"].facts["model"]["digest"] != done.then["train"].facts["model"]["digest"]
    now, then = done.now["gate"].verdict, done.then["gate"].verdict
    assert now is not None
    assert then is not None
    assert now.champion_digest == then.champion_digest
    assert Path(done.now["gate"].facts["report"]).is_relative_to(done.home)


def test_a_sample_and_peoples_answers_come_out_as_they_did(nights: Night) -> None:
    done = rerun(nights.environment, nights.pipeline, "night-1", begin="sample")
    assert list(done.now) == ["sample", "label", "train", "gate"]
    for name, table in (("sample", "samples"), ("label", "labels")):
        assert done.now[name].datasets[table].rows == done.then[name].datasets[table].rows, name
    assert done.now["sample"].datasets["samples"].digest == done.then["sample"].datasets["samples"].digest


def test_one_stage_alone_is_repeated_alone(nights: Night) -> None:
    done = rerun(nights.environment, nights.pipeline, "night-2", begin="gate", only=True)
    assert list(done.now) == ["gate"]


def test_a_verdict_that_stops_the_night_ends_it(nights: Night) -> None:
    audit = nights.pipeline.label.audit.model_copy(update={"floor": 1.0, "min_rows": 10_000})
    label = nights.pipeline.label.model_copy(update={"audit": audit})
    done = rerun(nights.environment, nights.pipeline.model_copy(update={"label": label}), "night-1", begin="label")
    assert list(done.now) == ["label"]
    assert done.now["label"].stopped


@pytest.mark.parametrize(
    ("run", "begin", "words"),
    [
        ("night-9", "train", "no run is called night-9; there are: topics_retrain/night-1, topics_retrain/night-2"),
        ("night-1", "rollout", "there are: sample, label, train, gate"),
    ],
)
def test_what_cannot_be_repeated_says_what_can(nights: Night, run: str, begin: str, words: str) -> None:
    with pytest.raises(NotRepeatable, match=words):
        rerun(nights.environment, nights.pipeline, run, begin=begin)


def test_the_command_shows_then_and_now(nights: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressrun.config.load.load_environment", lambda name: nights.environment)
    monkeypatch.setattr("pressrun.cli.rerunning.pipeline_of", lambda name: nights.pipeline)
    said = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["rerun", "night-1", "--from", "gate", "--only"])
    assert said.exit_code == 0, said.output
    for words in ("topics_retrain/night-1", "then", "now", "macro_f1", "reruns"):
        assert words in said.output
