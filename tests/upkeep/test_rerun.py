"""A part of a past night once more: on what was known then, beside it, and with nothing of it touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pressrun.buckets.servers import Kind
from pressrun.cli import app
from pressrun.compute.uploads import uploads_of
from pressrun.config.environment import Environment, LakeRoot, Spark
from pressrun.config.stages import Stages
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.registry.lineage import registered_versions
from pressrun.step import Step, open_lake
from pressrun.upkeep.mirroring import copies
from pressrun.upkeep.rerun import NotRepeatable, rerun
from tests.fakes.buckets import bucket_server, new_root
from tests.night import STAGES, Night

KEY = StepKey(dag_id="topics_retrain", run_id="night-1", task_id="ingest")


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


def test_one_stage_alone_is_repeated_alone_and_warns_of_nothing(
    nights: Night, caplog: pytest.LogCaptureFixture
) -> None:
    done = rerun(nights.environment, nights.pipeline, "night-2", begin="gate", only=True)
    assert list(done.now) == ["gate"]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("pressrun")] == []


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


ELSEWHERE = Spark.model_validate({"platform": {"kind": "kubernetes", "image": "registry.example.org/spark:4"}})


def test_where_spark_runs_elsewhere_the_scratch_lake_is_where_its_jobs_can_read_and_write(
    nights: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the lake, in the store and with the options that the jobs know; and an erasure finds it there."""
    place = nights.environment.model_copy(update={"spark": ELSEWHERE})
    asked: list[Step] = []

    def job(step: Step, upstream: object) -> StageResult:
        asked.append(step)
        return StageResult(stage="sample", step_key=str(step.key))

    monkeypatch.setattr("pressrun.upkeep.rerun.placed", job)
    done = rerun(place, nights.pipeline, "night-1", begin="sample", only=True)
    (step,) = asked
    root = str(Path(place.lake.root).resolve())
    assert done.lake == step.lake.root == step.environment.lake.root
    assert done.lake.startswith(f"{root}/_reruns/topics-retrain-night-1-")
    assert uploads_of(step.environment).root.startswith(root)
    assert step.lake.snapshot("articles", pipeline="topics").rows
    assert done.lake in [lake.root for lake in copies(place)]


def test_training_in_a_pod_is_refused_for_it_would_reach_no_mlflow_of_a_rerun(nights: Night) -> None:
    stages = Stages.model_validate({"train": {"environment": {"image": "registry.example.org/train:1"}}})
    place = nights.environment.model_copy(update={"stages": stages})
    with pytest.raises(NotRepeatable, match=r"stages\.train\.environment\.image of environment taste .*--from gate"):
        rerun(place, nights.pipeline, "night-1", begin="label")
    assert list(rerun(place, nights.pipeline, "night-1", begin="gate").now) == ["gate"]


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_an_erasure_finds_the_scratch_lakes_in_a_bucket(kind: Kind, environment: Environment) -> None:
    server = bucket_server(kind)
    root = LakeRoot(root=new_root(server), storage_options=server.storage_options)
    place = environment.model_copy(update={"lake": root})
    assert copies(place) == []
    scratch = Lake(f"{root.root}/_reruns/night-1-ab", root.storage_options)
    scratch.commit("given", rows_of("given", [{"article_id": "a"}]), key=KEY, pipeline="topics")
    assert [lake.root for lake in copies(place)] == [scratch.root]
