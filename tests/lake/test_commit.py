"""Rows are committed once per step, fit their table, and are seen when the step has finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pressrun.lake import (
    SCHEMAS,
    DatasetGoneError,
    DatasetRef,
    Lake,
    Retention,
    SchemaError,
    StageResult,
    StepKey,
    rows_of,
    stores,
)
from tests.lake.places import everywhere

Rows = Callable[..., pa.Table]


def other(key: StepKey, run: str = "another") -> StepKey:
    return key.model_copy(update={"run_id": run})


def finish(lake: Lake, key: StepKey, fingerprint: str = "f", **datasets: object) -> StageResult:
    result = StageResult.model_validate({"stage": "sample", "step_key": str(key), "datasets": datasets})
    return lake.finish(result, key=key, pipeline="topics", fingerprint=fingerprint)


def ids(lake: Lake, pipeline: str = "topics") -> list[str]:
    return sorted(lake.read(lake.snapshot("given", pipeline=pipeline))["article_id"].to_pylist())


def infos(lake: Lake, dataset: DatasetRef) -> list[pafs.FileInfo]:
    """The dataset's files, as the file system of its table's folder finds them."""
    location = lake.location(dataset.table)
    below = [file.removeprefix(location.uri).lstrip("/") for file in lake.files(dataset)]
    return list(location.filesystem.get_file_info(below))


def brought(lake: Lake, rows: pa.Table, path: str) -> str:
    """Rows that something else wrote below the table's folder; returns the file's address."""
    location = lake.location("given")
    if stores.in_bucket(location.uri):
        pq.write_table(rows, path, filesystem=location.filesystem)
    else:
        (Path(location.uri) / path).parent.mkdir(parents=True)
        pq.write_table(rows, Path(location.uri) / path)
    return f"{location.uri}/{path}"


@everywhere
def test_what_is_committed_is_read_back(lake: Lake, key: StepKey, given: Rows) -> None:
    dataset = lake.commit("given", given("a", "b"), key=key, pipeline="topics")
    assert lake.read(dataset).equals(given("a", "b"))
    assert dataset.rows == 2
    house = lake.read(dataset, ["pipeline", "step_key"]).to_pylist()
    assert house == [{"pipeline": "topics", "step_key": str(key)}] * 2


@everywhere
def test_a_retry_gets_the_first_commit_whatever_it_brings(lake: Lake, key: StepKey, given: Rows) -> None:
    first = lake.commit("given", given("a"), key=key, pipeline="topics")
    lake.commit("given", given("x"), key=other(key), pipeline="topics")
    assert Lake(lake.root, lake.storage_options).commit("given", given("b"), key=key, pipeline="topics") == first


@everywhere
def test_a_commit_without_rows_is_remembered_too(lake: Lake, key: StepKey, given: Rows) -> None:
    first = lake.commit("given", given(), key=key, pipeline="topics")
    assert lake.commit("given", given("late"), key=key, pipeline="topics") == first
    assert lake.read(first).num_rows == 0


@everywhere
def test_a_higher_generation_replaces_the_steps_rows_and_no_others(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.commit("given", given("keep"), key=other(key), pipeline="topics")
    old = lake.commit("given", given("a", "b"), key=key, pipeline="topics")
    lake.bind(key, "", generation=1)
    new = lake.commit("given", given("c"), key=key, pipeline="topics")
    assert lake.commit("given", given("d"), key=key, pipeline="topics") == new
    finish(lake, key)
    finish(lake, other(key))
    assert ids(lake) == ["c", "keep"]
    assert lake.read(old)["article_id"].to_pylist() == ["a", "b"]


@everywhere
def test_only_finished_steps_of_the_pipeline_are_seen(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.commit("given", given("a"), key=key, pipeline="topics")
    lake.commit("given", given("mind"), key=other(key), pipeline="mind")
    assert ids(lake) == []
    assert lake.snapshot("given", pipeline="topics", including=key).rows == 1
    finish(lake, key)
    assert ids(lake) == ["a"]


@everywhere
def test_a_snapshot_of_a_table_that_does_not_exist_yet_is_empty(lake: Lake) -> None:
    dataset = lake.snapshot("spend", pipeline="topics")
    assert dataset.rows == 0
    assert lake.read(dataset).schema.equals(SCHEMAS["spend"])
    assert lake.files(dataset) == []


@everywhere
def test_a_snapshot_stays_what_it_was(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.commit("given", given("a"), key=key, pipeline="topics")
    finish(lake, key)
    before = lake.snapshot("given", pipeline="topics")
    lake.commit("given", given("b"), key=other(key), pipeline="topics")
    finish(lake, other(key))
    assert lake.read(before)["article_id"].to_pylist() == ["a"]


def test_the_digest_is_of_content_not_of_order_or_steps(lake: Lake, key: StepKey, given: Rows) -> None:
    whole = lake.commit("given", given("a", "b"), key=key, pipeline="mind")
    for name in ("b", "a"):
        lake.commit("given", given(name), key=other(key, name), pipeline="topics")
        finish(lake, other(key, name))
    parts = lake.snapshot("given", pipeline="topics")
    assert parts.digest == whole.digest
    assert lake.commit("given", given("a", "c"), key=other(key), pipeline="topics").digest != whole.digest


def test_maps_lists_and_times_have_one_digest(lake: Lake, key: StepKey) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"article_id": "a", "labeler": "given", "role": "gold", "labels": ["x"], "labeled_at": now}
    one = rows_of("labels", [row | {"probabilities": {"x": 0.7, "y": 0.3}}])
    two = rows_of("labels", [row | {"probabilities": {"y": 0.3, "x": 0.7}}])
    first = lake.commit("labels", one, key=key, pipeline="topics")
    assert first.digest == lake.commit("labels", two, key=other(key), pipeline="topics").digest
    assert lake.read(first).equals(one)


@pytest.mark.parametrize(
    ("table", "columns", "names"),
    [
        ("nothing", {"article_id": ["a"]}, ["nothing", "articles"]),
        ("given", {"article_id": ["a"], "label": ["x"]}, ["given", "lack column raw"]),
        ("given", {"article_id": ["a"], "label": ["x"], "raw": ["x"], "extra": [1]}, ["given", "extra"]),
        ("given", {"article_id": [1], "label": ["x"], "raw": ["x"]}, ["given.article_id", "int64"]),
        ("given", {"article_id": [None], "label": ["x"], "raw": ["x"]}, ["given.article_id", "must not be null"]),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(
    lake: Lake, key: StepKey, table: str, columns: dict[str, list[object]], names: list[str]
) -> None:
    with pytest.raises(SchemaError) as error:
        lake.commit(table, pa.table(columns), key=key, pipeline="topics")
    assert all(name in str(error.value) for name in names)


def test_a_time_without_a_zone_is_refused(lake: Lake, key: StepKey) -> None:
    rows = rows_of("interactions", [{"impression_id": "i", "article_id": "a"}])
    naive = rows.set_column(
        rows.schema.get_field_index("shown_at"), "shown_at", pa.array([datetime(2026, 1, 1)], pa.timestamp("us"))
    )
    with pytest.raises(SchemaError, match=r"interactions\.shown_at is timestamp"):
        lake.commit("interactions", naive, key=key, pipeline="topics")


@everywhere
def test_a_new_column_reads_as_null_in_older_rows(lake: Lake, key: StepKey, given: Rows) -> None:
    old = lake.commit("given", given("a"), key=key, pipeline="topics")
    wider = SCHEMAS | {"given": SCHEMAS["given"].append(pa.field("sure", pa.float64()))}
    later = Lake(lake.root, lake.storage_options, schemas=wider)
    new = later.commit("given", given("b").append_column("sure", pa.array([0.5])), key=other(key), pipeline="topics")
    assert later.read(old)["sure"].to_pylist() == [None]
    assert later.read(new)["sure"].to_pylist() == [0.5]
    assert lake.commit("given", given("c"), key=other(key, "old code"), pipeline="topics").rows == 1


@everywhere
def test_a_stream_is_seen_at_once_and_takes_each_segment_once(lake: Lake, given: Rows) -> None:
    for sequence, name in ((0, "a"), (1, "b"), (1, "again"), (0, "late")):
        dataset = lake.append("given", given(name), pipeline="topics", source="router-1", sequence=sequence)
    assert ids(lake) == ["a", "b"]
    assert dataset.rows == 2
    lake.append("given", given("c"), pipeline="topics", source="router-2", sequence=0)
    assert ids(lake) == ["a", "b", "c"]


@everywhere
def test_files_that_spark_wrote_are_taken_over(lake: Lake, key: StepKey, given: Rows) -> None:
    rows = given("a", "b")
    for name, value in lake.stamps(key=key, pipeline="topics").items():
        rows = rows.append_column(name, pa.array([value] * 2))
    written = brought(lake, rows, "incoming/part-00000.snappy.parquet")
    dataset = lake.commit_files("given", [written], key=key, pipeline="topics")
    assert lake.read(dataset).equals(given("a", "b"))
    assert dataset.digest == lake.commit("given", given("a", "b"), key=other(key), pipeline="topics").digest
    assert [info.is_file for info in infos(lake, dataset)] == [True]


@everywhere
def test_files_of_another_step_are_refused(lake: Lake, key: StepKey, given: Rows) -> None:
    written = brought(lake, given("a"), "x.parquet")
    with pytest.raises(SchemaError, match=r"given\.pipeline"):
        lake.commit_files("given", [written], key=key, pipeline="topics")


@everywhere
def test_a_lost_file_is_an_error_that_names_the_retention(lake: Lake, key: StepKey, given: Rows) -> None:
    dataset = lake.commit("given", given("a"), key=key, pipeline="topics")
    lake.location("given").filesystem.delete_file(infos(lake, dataset)[0].path)
    with pytest.raises(DatasetGoneError, match=r"logRetentionDuration = interval 365 days.*fresh: true"):
        lake.read(dataset)


def test_a_lost_version_is_an_error_that_names_the_retention(lake: Lake, key: StepKey, given: Rows) -> None:
    dataset = lake.commit("given", given("a"), key=key, pipeline="topics")
    with pytest.raises(DatasetGoneError, match="deletedFileRetentionDuration = interval 365 days"):
        lake.read(dataset.model_copy(update={"version": 99, "digest": "f" * 64}))


def test_retention_is_set_when_a_table_is_created(tmp_path: Path, key: StepKey, given: Rows) -> None:
    lake = Lake(str(tmp_path), retention=Retention(log=7, files=8, transactions=9))
    lake.commit("given", given("a"), key=key, pipeline="topics")
    assert DeltaTable(f"{lake.root}/given").metadata().configuration == {
        "delta.enableExpiredLogCleanup": "false",
        "delta.checkpointInterval": "10",
        "delta.logRetentionDuration": "interval 7 days",
        "delta.deletedFileRetentionDuration": "interval 8 days",
        "delta.setTransactionRetentionDuration": "interval 9 days",
    }


def test_a_retry_is_known_by_its_rows_when_its_transaction_is_forgotten(
    tmp_path: Path, key: StepKey, given: Rows
) -> None:
    lake = Lake(str(tmp_path), retention=Retention(transactions=0))
    first = lake.commit("given", given("a"), key=key, pipeline="topics")
    DeltaTable(f"{lake.root}/given").create_checkpoint()
    assert lake.commit("given", given("b"), key=key, pipeline="topics") == first


@everywhere
def test_the_first_manifest_stands(lake: Lake, key: StepKey) -> None:
    first = finish(lake, key)
    later = StageResult(stage="sample", step_key=str(key), facts={"try": 2})
    assert lake.finish(later, key=key, pipeline="topics", fingerprint="g") == first
    assert lake.finished(key) == first
    assert lake.finished(other(key)) is None


def test_the_newest_step_with_the_fingerprint_is_reused(lake: Lake, key: StepKey, given: Rows) -> None:
    for run in ("one", "two"):
        dataset = lake.commit("given", given(run), key=other(key, run), pipeline="topics")
        finish(lake, other(key, run), given=dataset)
    found = lake.reusable("f")
    assert found is not None
    assert found.step_key == str(other(key, "two"))
    assert lake.reusable("g") is None


@everywhere
@pytest.mark.parametrize("harm", ["gone", "cut short"])
def test_data_that_cannot_be_read_is_never_reused(lake: Lake, key: StepKey, given: Rows, harm: str) -> None:
    dataset = lake.commit("given", given("a"), key=key, pipeline="topics")
    finish(lake, key, given=dataset)
    filesystem, file = lake.location("given").filesystem, infos(lake, dataset)[0].path
    whole = filesystem.open_input_stream(file).read()
    filesystem.delete_file(file)
    if harm == "cut short":
        with filesystem.open_output_stream(file) as stream:
            stream.write(whole[:-9])
    assert lake.reusable("f") is None


@everywhere
def test_rows_that_broken_code_left_behind_are_replaced(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.bind(key, "broken")
    lake.commit("given", given("wrong"), key=key, pipeline="topics")
    mended = Lake(lake.root, lake.storage_options)
    mended.bind(key, "mended")
    dataset = mended.commit("given", given("right"), key=key, pipeline="topics")
    assert mended.commit("given", given("retry"), key=key, pipeline="topics") == dataset
    finish(lake, key)
    assert ids(lake) == ["right"]


def test_staging_survives_a_retry_and_stays_inside(lake: Lake, key: StepKey) -> None:
    (lake.staging(key, "answers") / "1.json").write_text("paid for")
    assert (Lake(lake.root).staging(key, "answers") / "1.json").read_text() == "paid for"
    assert lake.staging(other(key), "answers") != lake.staging(key, "answers")
    with pytest.raises(ValueError, match="cannot name"):
        lake.staging(key, "../../elsewhere")
