"""The train stage on a real night: what MLflow is told, what is registered, and what happens when MLflow is away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pressrun.bundle import article_text, load_bundle
from pressrun.config.environment import Mlflow
from pressrun.config.pipeline import NamedOwn, Pipeline
from pressrun.gates import gate
from pressrun.lake import Lake
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.registry import EXAMPLES_TAG, ModelRef, RegistryError, aliased_digests
from pressrun.registry.tracking import connect
from pressrun.step import open_lake
from pressrun.training import TrainingError, train
from pressrun.training.corpus import read_corpus
from pressrun.training.learn import Learned
from pressrun.training.stage import check_parity
from tests.night import Night

AWAY = Mlflow(tracking_uri="http://127.0.0.1:9")


def model_of(night: Night) -> ModelRef:
    return ModelRef.model_validate(night.results["train"].facts["model"])


@pytest.fixture(scope="module")
def client(first_night: Night) -> MlflowClient:
    return connect(first_night.environment)


@pytest.fixture(scope="module")
def run(first_night: Night, client: MlflowClient) -> Run:
    return client.get_run(model_of(first_night).run_id)


def upstream(night: Night) -> tuple[StageResult, StageResult, StageResult]:
    return night.results["ingest"], night.results["sample"], night.results["label"]


def versions(night: Night) -> int:
    return len(connect(night.environment).search_model_versions("name = 'topics'"))


def test_mlflow_is_told_the_datasets_by_their_references(first_night: Night, run: Run) -> None:
    given = {
        entry.dataset.name: DatasetRef.model_validate_json(entry.dataset.source) for entry in run.inputs.dataset_inputs
    }
    ingested, sampled, labeled = upstream(first_night)
    assert given == {
        "articles": ingested.datasets["articles"],
        "groups": sampled.datasets["groups"],
        "labels": labeled.datasets["all_labels"],
    }


def test_mlflow_is_told_the_settings_and_what_was_chosen(first_night: Night, run: Run) -> None:
    settings = first_night.pipeline.train.model_dump(mode="json")
    assert {name: json.loads(run.data.params[name]) for name in settings} == settings
    facts = first_night.results["train"].facts
    assert {name: run.data.params[name] for name in ("family", "chosen_on", "split_by")} == {
        name: facts[name] for name in ("family", "chosen_on", "split_by")
    }


def test_mlflow_is_told_the_quality_a_topic_and_a_curve(first_night: Night, run: Run, client: MlflowClient) -> None:
    facts = first_night.results["train"].facts
    assert run.data.metrics["holdout_macro_f1"] == pytest.approx(facts["families"]["svm"])
    assert run.data.metrics["examples"] == facts["examples"]
    topics = {name for name in run.data.metrics if name.startswith("f1_")}
    assert topics == {"f1_World", "f1_Sports", "f1_Business", "f1_Sci_Tech"}
    curve = client.get_metric_history(run.info.run_id, "learning_curve_macro_f1")
    assert min(point.step for point in curve) < facts["examples"] / 2
    assert len(curve) == 3


def test_mlflow_has_the_confusion_matrix_as_a_picture(run: Run, client: MlflowClient) -> None:
    picture = Path(client.download_artifacts(run.info.run_id, "confusion_matrix.png"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_run_says_what_the_model_was_trained_on(first_night: Night, run: Run) -> None:
    told = DatasetRef.model_validate_json(run.data.tags[EXAMPLES_TAG])
    assert told == first_night.results["train"].datasets["examples"]
    assert open_lake(first_night.environment).read(told).num_rows == first_night.results["train"].facts["examples"]


def test_what_is_registered_is_mlflows_candidate(first_night: Night) -> None:
    assert aliased_digests(first_night.environment, "topics") == {"candidate": model_of(first_night).digest}


def test_the_bundle_answers_from_its_files_for_every_article_of_the_night(first_night: Night) -> None:
    bundle = load_bundle(model_of(first_night).bundle, digest=model_of(first_night).digest)
    lake, ingested = open_lake(first_night.environment), first_night.results["ingest"]
    articles = lake.read(ingested.datasets["articles"], ["title", "body"]).to_pylist()
    scores = bundle.scores([article_text(row["title"], row["body"]) for row in articles])
    assert scores.shape == (len(articles), 4)
    assert np.allclose(scores.sum(axis=1), 1)


def test_a_bundle_that_answers_otherwise_than_the_model_is_refused(first_night: Night) -> None:
    class Other(Learned):
        def scores(self, features: object) -> np.ndarray:
            return np.asarray([[0.7, 0.1, 0.1, 0.1]])

    bundle, corpus = load_bundle(model_of(first_night).bundle), read_corpus(["a match", "a bank"])
    with pytest.raises(TrainingError, match=r"scores differ from the model's .* nothing was registered"):
        check_parity(bundle, corpus, Other.__new__(Other))


def test_people_who_audit_are_never_trained_on(first_night: Night) -> None:
    lake, (_, _, labeled) = open_lake(first_night.environment), upstream(first_night)
    labels = lake.read(labeled.datasets["labels"], ["article_id", "role"]).to_pylist()
    audited = {row["article_id"] for row in labels if row["role"] == "audit"}
    trained = lake.read(first_night.results["train"].datasets["examples"], ["article_id"])["article_id"].to_pylist()
    assert audited
    assert not audited & set(trained)


def test_an_mlflow_that_is_away_is_told_before_any_work_and_the_retry_registers_one_version(night: Night) -> None:
    before = versions(night)
    step = night.step("train", "night-2", fresh=True)
    away = replace(step, environment=step.environment.model_copy(update={"mlflow": AWAY}))
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 does not answer.*Nothing was registered"):
        train(away, *upstream(night))
    assert step.lake.finished(step.key) is None
    result = train(step, *upstream(night))
    assert versions(night) == before + 1
    assert result.facts["model"]["digest"] == model_of(night).digest


def test_a_training_that_died_after_registering_is_not_registered_twice(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, step = versions(night), night.step("train", "night-2", fresh=True)

    def dies(*args: object, **more: object) -> StageResult:
        raise OSError("the machine went away")

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "finish", dies)
        with pytest.raises(OSError, match="went away"):
            train(step, *upstream(night))
    result = train(step, *upstream(night))
    assert versions(night) == before + 1
    client = connect(night.environment)
    experiment = client.get_experiment_by_name("topics").experiment_id
    runs = client.search_runs([experiment], f"tags.`pressrun.step_key` = '{step.key}'")
    assert [found.info.run_id for found in runs] == [result.facts["model"]["run_id"]]


def test_an_unchanged_night_reuses_the_model_until_somebody_deletes_it(night: Night) -> None:
    again = train(night.step("train", "night-2"), *upstream(night))
    assert again.reused_from == night.results["train"].step_key
    connect(night.environment).delete_model_version("topics", model_of(night).version)
    anew = train(night.step("train", "night-3"), *upstream(night))
    assert anew.reused_from is None
    assert anew.facts["model"]["version"] != model_of(night).version


def test_a_training_done_anew_under_other_settings_that_make_the_same_model_has_a_run_of_its_own(night: Night) -> None:
    first = train(night.step("train", "night-2", fresh=True), *upstream(night))
    families = ["svm", NamedOwn(uses="pressrun.training.families:Svm", name="again")]
    settings = night.pipeline.train.model_copy(update={"families": families})
    pipeline = night.pipeline.model_copy(update={"train": settings})
    anew = train(night.step("train", "night-2", pipeline=pipeline, fresh=True), *upstream(night))
    assert anew.facts["model"] == first.facts["model"] | {"run_id": anew.facts["model"]["run_id"]}
    assert "again" in connect(night.environment).get_run(anew.facts["model"]["run_id"]).data.params["families"]


def test_what_a_student_costs_is_in_mlflow_and_on_the_gates_report(night: Night) -> None:
    settings = night.pipeline.train.model_dump() | {"families": ["svm", {"family": "distilled", "teacher": "svm"}]}
    pipeline = Pipeline.model_validate(night.pipeline.model_dump() | {"train": settings})
    trained = train(night.step("train", "night-2", pipeline=pipeline), *upstream(night))
    [note] = trained.facts["notes"]
    assert note.startswith("distilled against its teacher svm, on ")
    told = connect(night.environment).get_run(trained.facts["model"]["run_id"]).data.metrics
    assert {"family_distilled_macro_f1_difference", "family_distilled_speedup"} <= set(told)
    judged = gate(night.step("gate", "night-2", pipeline=pipeline), *upstream(night), trained, None)
    assert judged.verdict is not None
    assert note in judged.verdict.notes
    assert not list((night.environment.home / "checkpoints").glob("*"))
