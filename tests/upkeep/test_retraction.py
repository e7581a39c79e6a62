"""What is withdrawn is in nothing that is made from then on; the models that stand on it are named; it may return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pressrun.drift import watch
from pressrun.gates import stage as gates
from pressrun.jobs import Outbox, open_database
from pressrun.lake import Lake, StageResult, rows_of
from pressrun.lake.retraction import Kind, retractions, withdrawn
from pressrun.overview import overview
from pressrun.registry import ModelRef
from pressrun.registry.lineage import registered_versions
from pressrun.rollout.record import RecordStore
from pressrun.rollout.types import RolloutRecord
from pressrun.step import open_lake
from pressrun.training import stage as training
from pressrun.training import train
from pressrun.upkeep.retraction import NothingToRetract, Retracted, retract
from tests.night import Night


def withdraw(night: Night, kind: Kind, name: str, **more: object) -> Retracted:
    given = {"actor": "ada", "reason": "it copies an agency", **more}
    (done,) = retract(night.environment, [night.pipeline], kind=kind, name=name, **given)  # type: ignore[arg-type]
    return done


def a_source(lake: Lake) -> tuple[str, set[str]]:
    """The source with the most articles, and the articles."""
    rows = lake.read(lake.snapshot("articles", pipeline="topics"), ["article_id", "source"]).to_pylist()
    sources = [row["source"] for row in rows]
    name = max(sorted(set(sources)), key=sources.count)
    return name, {row["article_id"] for row in rows if row["source"] == name}


def articles_of(lake: Lake, result: StageResult, dataset: str) -> set[str]:
    return set(lake.read(result.datasets[dataset], ["article_id"])["article_id"].to_pylist())


def crowned(night: Night) -> None:
    """The night's model serves."""
    champion = ModelRef.model_validate(night.results["train"].facts["model"])
    RecordStore(night.environment).write(RolloutRecord(model="topics", champion=champion), expected=0)


def test_a_withdrawn_source_is_in_no_sample_no_label_and_no_example(night: Night) -> None:
    lake = open_lake(night.environment)
    name, _ = a_source(lake)
    withdraw(night, "source", name)
    night.land(2)
    made = {stage: night.run(stage, "night-2") for stage in ("ingest", "sample", "label", "train")}
    bad = withdrawn(lake, "topics").articles
    assert bad & articles_of(lake, made["ingest"], "articles")
    assert not bad & articles_of(lake, made["sample"], "samples")
    assert not bad & articles_of(lake, made["label"], "labels")
    assert not bad & articles_of(lake, made["train"], "examples")
    assert bad & articles_of(lake, night.results["train"], "examples")


def test_nothing_that_stood_on_it_is_reused_and_all_of_it_is_once_it_is_let_in_again(night: Night) -> None:
    name, bad = a_source(open_lake(night.environment))
    stood_on = [night.results[stage] for stage in ("ingest", "sample", "label")]
    assert train(night.step("train", "one"), *stood_on).reused_from == night.results["train"].step_key
    withdraw(night, "source", name)
    trained = train(night.step("train", "two"), *stood_on)
    assert trained.reused_from is None
    assert not bad & articles_of(open_lake(night.environment), trained, "examples")
    withdraw(night, "source", name, undo=True)
    assert train(night.step("train", "three"), *stood_on).reused_from == night.results["train"].step_key


def test_a_withdrawn_labelers_labels_teach_and_judge_nothing(night: Night) -> None:
    lake = open_lake(night.environment)
    names = lake.read(night.results["train"].datasets["examples"], ["labeler"])["labeler"].to_pylist()
    labeler = next(name for name in sorted(set(names)) if name.startswith("static"))
    done = withdraw(night, "labeler", labeler)
    assert [(one.version, one.rows.trained) for one in done.affected] == [("1", names.count(labeler))]
    night.land(2)
    for stage in ("ingest", "sample", "label"):
        night.run(stage, "night-2")
    trained = night.run("train", "night-2")
    left = lake.read(trained.datasets["examples"], ["labeler"])["labeler"].to_pylist()
    assert labeler not in left
    assert left


def versions_on(night: Night, bad: set[str]) -> list[str]:
    """The registered versions that were trained on any of the articles."""
    lake = open_lake(night.environment)
    found = {one.version: one.datasets["examples"] for one in registered_versions(night.environment, "topics")}
    read = {version: lake.read(examples, ["article_id"]) for version, examples in found.items()}
    return sorted(version for version, rows in read.items() if bad & set(rows["article_id"].to_pylist()))


def test_what_is_withdrawn_while_a_model_trains_is_not_in_it(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    name, bad = a_source(open_lake(night.environment))
    learn, told = training.learn, list[Retracted]()

    def slow(*given: Any, **more: Any) -> Any:
        if not told:
            told.append(withdraw(night, "source", name))
        return learn(*given, **more)

    monkeypatch.setattr(training, "learn", slow)
    trained = night.run("train", fresh=True)
    assert told
    assert not bad & articles_of(open_lake(night.environment), trained, "examples")
    assert versions_on(night, bad) == ["1"]


def test_a_model_that_was_registered_a_moment_before_the_word_is_named_and_is_not_the_nights(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, bad = a_source(open_lake(night.environment))
    night.land(2)
    for stage in ("ingest", "sample", "label"):
        night.run(stage, "night-2")
    facts, told = training._facts, list[Retracted]()

    def slow(*given: Any) -> Any:
        if not told:
            told.append(withdraw(night, "source", name))
        return facts(*given)

    monkeypatch.setattr(training, "_facts", slow)
    trained = night.run("train", "night-2")
    assert [one.version for one in told[0].affected] == versions_on(night, bad) == ["1", "2"]
    assert trained.facts["model"]["version"] == "3"
    assert not bad & articles_of(open_lake(night.environment), trained, "examples")


def test_a_candidate_that_was_trained_before_the_word_fails_its_gate_until_it_is_trained_again(night: Night) -> None:
    name, bad = a_source(open_lake(night.environment))
    withdraw(night, "source", name)
    verdict = night.run("gate", fresh=True).verdict
    assert verdict is not None
    assert verdict.decision.value == "fail"
    rows = len(bad & articles_of(open_lake(night.environment), night.results["train"], "examples"))
    assert f"trained on {rows} rows that are withdrawn by now (source {name}). Clear task train" in str(verdict.checks)
    night.run("train", fresh=True)
    again = night.run("gate", fresh=True).verdict
    assert again is not None
    assert "withdrawn" not in [check.metric for check in again.checks]


def test_what_is_withdrawn_while_the_gate_judges_is_no_truth(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, told = gates.judge_models, list[Retracted]()

    def slow(*given: Any, **more: Any) -> Any:
        if not told:
            told.append(withdraw(night, "labeler", "person:oracle"))
        return judge(*given, **more)

    monkeypatch.setattr(gates, "judge_models", slow)
    done = night.run("gate", fresh=True)
    assert done.verdict is not None
    assert done.verdict.decision.value != "pass"
    assert done.facts["rows"] == 0
    kept = [one for one in open_lake(night.environment).results("topics") if one.step_key == done.step_key]
    assert [one.facts["rows"] for one in kept] == [0]


def test_a_withdrawn_judge_is_no_truth_for_the_gate(night: Night) -> None:
    withdraw(night, "labeler", "person:oracle")
    night.run("train", fresh=True)
    verdict = night.run("gate", fresh=True).verdict
    assert verdict is not None
    assert verdict.decision.value == "insufficient"
    assert any("Left out as withdrawn: labeler person:oracle" in note for note in verdict.notes)


def test_since_leaves_what_was_before(night: Night) -> None:
    lake = open_lake(night.environment)
    name, _ = a_source(lake)
    withdraw(night, "source", name, since=datetime.now(UTC) + timedelta(days=1))
    assert withdrawn(lake, "topics").articles == frozenset()
    withdraw(night, "source", name, since=datetime(2000, 1, 1, tzinfo=UTC))
    assert withdrawn(lake, "topics").articles == a_source(lake)[1]


def test_the_record_says_who_why_and_when_and_slack_is_told_once(night: Night) -> None:
    lake = open_lake(night.environment)
    name, _ = a_source(lake)
    first, second = withdraw(night, "source", name), withdraw(night, "source", name, actor="bob")
    assert first.retraction == second.retraction
    (record,) = retractions(lake, "topics")
    assert (record.actor, record.reason, record.kind, record.name) == ("ada", "it copies an agency", "source", name)
    outbox = Outbox(open_database(night.environment.database))
    texts = [m.text for thread in outbox.threads(pipeline="topics") for m in outbox.messages(thread=thread.thread)]
    assert [text for text in texts if f"ada withdraws source {name}" in text and "v1 was trained on" in text]
    assert not [text for text in texts if "bob" in text]


def test_the_model_page_says_that_the_champion_stands_on_withdrawn_data(night: Night) -> None:
    crowned(night)
    name, bad = a_source(open_lake(night.environment))
    done = withdraw(night, "source", name)
    assert [one.champion for one in done.affected] == [True]
    champion = overview(night.environment, night.pipeline).champion
    assert champion is not None
    hers = len(bad & articles_of(open_lake(night.environment), night.results["train"], "examples"))
    assert f"trained on {hers}" in champion.withdrawn
    assert f"source {name}, by ada: it copies an agency" in champion.withdrawn
    withdraw(night, "source", name, undo=True)
    after = overview(night.environment, night.pipeline).champion
    assert after is not None
    assert after.withdrawn == ""


def test_drift_looks_past_withdrawn_articles(night: Night) -> None:
    lake = open_lake(night.environment)
    name, bad = a_source(lake)
    rows = [
        {"request_id": article, "model": "topics", "article_id": article, "arm": "champion", "model_version": "1",
         "at": datetime.now(UTC), "label": "Sports", "confidence": 0.9}
        for article in sorted(bad)[:5]
    ]  # fmt: skip
    lake.append("predictions", rows_of("predictions", rows), pipeline="topics", source="s", sequence=1)
    withdraw(night, "source", name)
    assert watch(night.step("drift", "drift-1")).facts["current_rows"] == 0


def test_a_name_that_is_not_there_is_an_error_with_those_that_are(night: Night) -> None:
    name, _ = a_source(open_lake(night.environment))
    with pytest.raises(NothingToRetract, match=name):
        withdraw(night, "source", name[:-1])
    with pytest.raises(NothingToRetract, match="withdrawn are: none"):
        withdraw(night, "source", name, undo=True)
