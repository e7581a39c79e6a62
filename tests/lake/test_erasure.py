"""Rows that lead to an erased reader leave a table for good, whoever writes meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pressrun.lake import SCHEMAS, DatasetRef, Lake, StepKey, delta, rows_of
from pressrun.lake.digest import content_digest
from pressrun.lake.erased import TABLE, Blocked, block_list, hashed, reader_columns, reader_tables
from pressrun.lake.erasure import EVERY, Went, block, erase_rows, fence, led_to
from pressrun.lake.errors import ErasedError, OvertakenError
from pressrun.lake.retention import data_files
from tests.lake.places import everywhere

ANN, BOB = "a" * 32, "b" * 32


def shown(reader: str, *numbers: int) -> pa.Table:
    rows = [
        {"impression_id": f"{reader[0]}{n}", "article_id": "x", "reader_id": reader, "slate_id": f"{reader[0]}-slate"}
        for n in numbers
    ]
    return rows_of("interactions", rows)


def answered(*impressions: str) -> pa.Table:
    rows = [{"request_id": f"q-{name}", "model": "m", "impression_id": name} for name in impressions]
    return rows_of("predictions", rows)


def show(lake: Lake, run: str, *parts: pa.Table) -> DatasetRef:
    key = StepKey(dag_id="d", run_id=run, task_id="ingest")
    return lake.commit("interactions", pa.concat_tables(parts), key=key, pipeline="topics")


def erase(lake: Lake, reader: str) -> list[Went]:
    """As `pressrun erase` does, table by table."""
    subject, went = hashed("reader", reader), []
    wanted = Blocked(hashes={"reader": frozenset({subject})})
    location = lake.location("interactions")
    found = led_to(location, wanted, SCHEMAS["interactions"]) if location.open() else {}
    block(lake, subject, found, erasure_id="e1")
    everything = block_list(lake.location(TABLE)).blocked
    for table in reader_tables():
        if lake.location(table).open() is not None:
            fence(lake.location(table), lake)
            erase_rows(lake.location(table), everything, SCHEMAS[table], tell=went.append)
    return went


def on_disk(lake: Lake) -> set[str]:
    """Every reader and impression in any file of the lake, of whatever version."""
    found: set[str] = set()
    for location in (lake.location(table) for table in reader_tables() if lake.location(table).open()):
        for file in data_files(location):
            rows = pq.read_table(file.path, filesystem=location.filesystem)
            for name in set(rows.column_names) & {"reader_id", "impression_id", "slate_id"}:
                found |= set(rows[name].to_pylist())
    return found


def hers(names: Iterable[str]) -> list[str]:
    return [name for name in names if name and name.startswith("a")]


def test_every_table_with_a_readers_column_is_known_without_being_listed() -> None:
    assert reader_tables() == ("examples", "interactions", "predictions")
    assert set(reader_columns(SCHEMAS["interactions"])) == {"slate_id", "reader_id", "impression_id"}


@everywhere
def test_her_rows_leave_every_version_and_every_table_and_his_stay(lake: Lake) -> None:
    first = show(lake, "n1", shown(ANN, 1, 2), shown(BOB, 1))
    show(lake, "n2", shown(BOB, 2))
    lake.append("predictions", answered("a1", "b1", "other"), pipeline="topics", source="s", sequence=1)
    went = erase(lake, ANN)
    assert sorted((one.rows, one.old) for one in went if not one.old) == [(1, False), (2, False)]
    assert hers(on_disk(lake)) == []
    seen = lake.snapshot(
        "interactions", pipeline="topics", including=StepKey(dag_id="d", run_id="n1", task_id="ingest")
    )
    assert lake.read(seen)["impression_id"].to_pylist() == ["b1"]
    assert content_digest(lake.read(seen)) == seen.digest != first.digest
    left = lake.read(lake.snapshot("predictions", pipeline="topics"))["impression_id"].to_pylist()
    assert sorted(left) == ["b1", "other"]


@everywhere
def test_a_late_line_and_a_file_that_is_read_again_do_not_come_back(lake: Lake) -> None:
    show(lake, "n1", shown(ANN, 1), shown(BOB, 1))
    erase(lake, ANN)
    lake.append("predictions", answered("a1", "b1"), pipeline="topics", source="s", sequence=1)
    show(lake, "n2", shown(ANN, 7, 8), shown(BOB, 3))
    assert hers(on_disk(lake)) == []
    assert {"b1", "b3"} <= on_disk(lake)


@everywhere
def test_a_commit_that_was_begun_before_is_looked_through_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    show(lake, "n1", shown(ANN, 1))
    commit, begun = delta.commit, []

    def slow(table: DeltaTable, **given: object) -> None:
        if given["app"] == "d/n2/ingest/-1" and not begun:
            begun.append(True)
            erase(lake, ANN)
        commit(table, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(delta, "commit", slow)
    show(lake, "n2", shown(ANN, 2), shown(BOB, 2))
    live = delta.files_of(lake.location("interactions").open())
    assert [file.rows for file in live] == [1]
    monkeypatch.undo()
    erase(lake, ANN)
    assert hers(on_disk(lake)) == []


def written_by_spark(lake: Lake, key: StepKey, rows: pa.Table) -> str:
    """A file below the table's own folder, as a job of Spark leaves it."""
    for name, value in lake.stamps(key=key, pipeline="topics").items():
        rows = rows.append_column(name, pa.array([value] * rows.num_rows))
    location, path = lake.location("interactions"), "spark-1/part-00000.snappy.parquet"
    location.filesystem.create_dir("spark-1", recursive=True)
    with location.filesystem.open_output_stream(path) as out:
        pq.write_table(rows, out)
    return f"{location.uri}/{path}"


@everywhere
def test_a_file_that_another_erasure_takes_between_two_looks_is_no_trouble(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(lake, "n1", shown(ANN, 1), shown(BOB, 1))
    read, others = delta.read_file, []

    def slow(location: delta.Location, file: delta.File) -> pa.Table:
        if location.uri.endswith("interactions") and not others:
            others.append("begun")
            erase(lake, ANN)
        return read(location, file)

    monkeypatch.setattr(delta, "read_file", slow)
    erase(lake, ANN)
    assert hers(on_disk(lake)) == []
    assert others == ["begun"]
    assert "b1" in on_disk(lake)


@everywhere
def test_files_that_a_late_job_wrote_come_without_her(lake: Lake, key: StepKey) -> None:
    show(lake, "n1", shown(ANN, 1))
    erase(lake, ANN)
    written = written_by_spark(lake, key, pa.concat_tables([shown(ANN, 5, 6), shown(BOB, 5)]))
    dataset = lake.commit_files("interactions", [written], key=key, pipeline="topics")
    assert lake.read(dataset)["impression_id"].to_pylist() == ["b5"]
    assert hers(on_disk(lake)) == []
    hers_alone = written_by_spark(lake, StepKey(dag_id="d", run_id="n9", task_id="sample"), shown(ANN, 7))
    key = StepKey(dag_id="d", run_id="n9", task_id="sample")
    assert lake.commit_files("interactions", [hers_alone], key=key, pipeline="topics").rows == 0
    assert hers(on_disk(lake)) == []


@everywhere
def test_files_that_a_job_wrote_before_and_commits_after_come_without_her(
    lake: Lake, key: StepKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(lake, "n1", shown(ANN, 1))
    written = written_by_spark(lake, key, pa.concat_tables([shown(ANN, 5), shown(BOB, 5)]))
    commit, begun = delta.commit, []

    def slow(table: DeltaTable, **given: object) -> None:
        if given["app"] == str(key) and not begun:
            begun.append(True)
            # She is blocked and the table fenced, and the file that no version holds is not deleted yet.
            block(lake, hashed("reader", ANN), {}, erasure_id="e1")
            fence(lake.location("interactions"), lake)
        commit(table, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(delta, "commit", slow)
    dataset = lake.commit_files("interactions", [written], key=key, pipeline="topics")
    assert lake.read(dataset)["impression_id"].to_pylist() == ["b5"]
    erase(lake, ANN)
    assert hers(on_disk(lake)) == []


@everywhere
def test_a_file_that_the_erasure_took_with_others_in_it_must_be_written_anew(lake: Lake, key: StepKey) -> None:
    show(lake, "n1", shown(ANN, 1))
    written = written_by_spark(lake, key, pa.concat_tables([shown(ANN, 5), shown(BOB, 5)]))
    erase(lake, ANN)
    with pytest.raises(OvertakenError, match="a reader was erased meanwhile"):
        lake.commit_files("interactions", [written], key=key, pipeline="topics")
    again = written_by_spark(lake, key, shown(BOB, 5))
    assert lake.commit_files("interactions", [again], key=key, pipeline="topics").rows == 1


def test_an_old_dataset_says_how_many_rows_were_erased(lake: Lake) -> None:
    old = show(lake, "n1", shown(ANN, 1, 2), shown(BOB, 1))
    went = erase(lake, ANN)
    row = {
        "erasure_id": "e1",
        "subject": hashed("reader", ANN),
        "actor": "dpo",
        "reason": "asked",
        "at": datetime.now(UTC),
        "receipt": "{}",
        "files": [(f"interactions/{one.path}", one.rows) for one in went],
    }
    lake.append("erasures", rows_of("erasures", [row]), pipeline=EVERY, source="erasure/e1", sequence=0)
    with pytest.raises(ErasedError, match=r"had 3 rows, and 2 of them were erased") as caught:
        lake.read(old)
    assert caught.value.rows == 2
    assert not lake.intact(old)


def test_a_training_row_about_a_reader_goes_too(lake: Lake) -> None:
    show(lake, "n1", shown(ANN, 1), shown(BOB, 1))
    rows = [
        {"example_id": reader, "article_id": "x", "entities": [("article", "x"), ("reader", reader)]}
        for reader in (ANN, BOB)
    ]
    key = StepKey(dag_id="d", run_id="n1", task_id="train")
    lake.commit("examples", rows_of("examples", rows), key=key, pipeline="topics")
    erase(lake, ANN)
    left = lake.read(lake.snapshot("examples", pipeline="topics", including=key))
    assert left["example_id"].to_pylist() == [BOB]


def test_again_and_for_nobody_it_changes_nothing(lake: Lake) -> None:
    show(lake, "n1", shown(BOB, 1))
    before = lake.snapshot("interactions", pipeline="topics").version
    assert erase(lake, ANN) == []
    versions = DeltaTable(f"{lake.root}/interactions").version()
    assert erase(lake, ANN) == []
    assert DeltaTable(f"{lake.root}/interactions").version() == versions >= before
