"""Years of maintenance take nothing from the lineage of a registered model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pressrun.lake import DatasetRef, StageResult, StepKey, rows_of
from pressrun.lake.digest import content_digest
from pressrun.lake.lake import Lake
from pressrun.registry import RegistryError
from pressrun.registry.lineage import registered_versions
from pressrun.registry.tracking import connect
from pressrun.step import open_lake
from pressrun.upkeep.maintenance import in_words, maintain
from pressrun.upkeep.needs import needs
from tests.night import Night
from tests.upkeep.conftest import NO_GRACE, forgetful

YEAR = timedelta(days=365)


@pytest.fixture
def kept(night: Night) -> Night:
    """The night in a lake that remembers nothing."""
    return replace(night, environment=forgetful(night.environment))


def stream(lake: Lake, segments: int, source: str) -> None:
    for number in range(1, segments + 1):
        rows = rows_of("predictions", [{"request_id": f"{source}/{number}", "model": "topics"}])
        lake.append("predictions", rows, pipeline="topics", source=source, sequence=number)


def same(lake: Lake, dataset: DatasetRef) -> bool:
    rows = lake.read(dataset)
    return rows.num_rows == dataset.rows and content_digest(rows) == dataset.digest


def trained_anew(night: Night) -> None:
    """The task is cleared: its step's rows are replaced, and the model that it had registered is left without them."""
    key = StepKey(dag_id="topics_retrain", run_id="night-1", task_id="train")
    lake = open_lake(night.environment)
    lake.bind(key, "other settings", generation=1)
    rows = rows_of("examples", [{"example_id": "x", "article_id": "y"}])
    lake.commit("examples", rows, key=key, pipeline="topics")
    lake.withdraw(key, pipeline="topics", generation=1)


def test_a_registered_models_rows_are_read_at_their_version_after_years(kept: Night) -> None:
    lake = open_lake(kept.environment)
    (version,) = registered_versions(kept.environment, "topics")
    assert set(version.datasets) == {"examples", "articles", "groups", "labels"}
    trained_anew(kept)
    for year in range(1, 4):
        stream(lake, 8, f"server-{year}")
        done = maintain(kept.environment, grace=NO_GRACE, now=datetime.now(UTC) + year * YEAR)
    assert all(same(lake, dataset) for dataset in version.datasets.values())
    assert all(lake.intact(dataset) for dataset in version.datasets.values())
    assert done.kept_for["topics v1"] >= len(version.datasets)
    assert not done.lost
    assert any(line.startswith("kept for topics v1") for line in in_words(done))


def test_what_no_model_needs_any_more_is_deleted(kept: Night) -> None:
    (version,) = registered_versions(kept.environment, "topics")
    trained_anew(kept)
    connect(kept.environment).delete_model_version("topics", "1")
    for year in (1, 2):
        maintain(kept.environment, grace=NO_GRACE, now=datetime.now(UTC) + year * YEAR)
    assert not open_lake(kept.environment).intact(version.datasets["examples"])


def test_streams_become_few_files_and_the_night_goes_on(kept: Night) -> None:
    lake = open_lake(kept.environment)
    stream(lake, 40, "server")
    done = maintain(kept.environment, grace=NO_GRACE, now=datetime.now(UTC) + YEAR)
    predictions = next(one for one in done.tables if one.table == "predictions")
    assert (predictions.files_before, predictions.files_after) == (40, 1)
    assert done.freed > 0
    assert kept.run("gate") == kept.results["gate"]
    kept.land(2)
    assert kept.run("ingest", "night-2").datasets["batch"].rows


def test_a_run_under_way_and_a_sample_that_waits_keep_what_they_stand_on(kept: Night) -> None:
    who = {need.who for need in needs(kept.environment)}
    assert {"topics v1", "run topics_retrain/night-1"} <= who
    kept.land(2)
    kept.run("ingest", "night-2"), kept.run("sample", "night-2")
    later = {need.who for need in needs(kept.environment, datetime.now(UTC) + YEAR)}
    assert "sample of topics_retrain/night-2" in later
    assert "run topics_retrain/night-1" not in later


def test_nothing_is_touched_while_mlflow_does_not_say_what_is_registered(kept: Night) -> None:
    away = kept.environment.mlflow.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    environment = kept.environment.model_copy(update={"mlflow": away})
    stream(open_lake(environment), 5, "server")
    with pytest.raises(RegistryError, match="does not answer"):
        maintain(environment, grace=NO_GRACE, now=datetime.now(UTC) + YEAR)
    assert all(open_lake(environment).intact(ref) for ref in kept.results["train"].datasets.values())


def test_a_dry_run_says_what_a_run_does(kept: Night) -> None:
    stream(open_lake(kept.environment), 12, "server")
    would = in_words(maintain(kept.environment, dry_run=True, grace=NO_GRACE))
    assert any("12 small files would be made 1" in line for line in would)
    assert isinstance(kept.results["train"], StageResult)
