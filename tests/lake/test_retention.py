"""Maintenance makes tables small and takes nothing that somebody needs, whoever else is at work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pressrun.lake import SCHEMAS, DatasetGoneError, DatasetRef, Lake, Retention, StepKey, delta, rows_of
from pressrun.lake.compaction import bundles, compact
from pressrun.lake.delta import Location
from pressrun.lake.digest import combined, content_digest
from pressrun.lake.errors import LakeError
from pressrun.lake.log import read_log
from pressrun.lake.retention import Keeping, Pins, TableKept, data_files, keep_table
from tests.lake.places import everywhere

Rows = Callable[..., pa.Table]
# All that is old is in the way, and what is a moment old is old.
NOTHING = Keeping(retention=Retention(log=0, files=0, transactions=0), grace=timedelta(0))


def place(lake: Lake, table: str) -> Location:
    return lake.location(table)


def maintain(lake: Lake, table: str, pins: Pins | None = None, keeping: Keeping = NOTHING) -> TableKept:
    """As an hour from now."""
    now = datetime.now(UTC) + timedelta(hours=1)
    return keep_table(place(lake, table), table, schema=SCHEMAS[table], pins=pins or {}, keeping=keeping, now=now)


def predictions(*names: str) -> pa.Table:
    return rows_of("predictions", [{"request_id": name, "model": "m", "scores": [("a", 0.5)]} for name in names])


def stream(lake: Lake, segments: int, source: str = "server-1", first: int = 1) -> DatasetRef:
    dataset = None
    for number in range(first, first + segments):
        rows = predictions(f"{source}/{number}/a", f"{source}/{number}/b")
        dataset = lake.append("predictions", rows, pipeline="topics", source=source, sequence=number)
    assert dataset is not None
    return dataset


def steps(lake: Lake, key: StepKey, given: Rows, count: int) -> list[DatasetRef]:
    keys = [key.model_copy(update={"run_id": f"run-{number}"}) for number in range(count)]
    return [lake.commit("given", given(f"{one.run_id}-a"), key=one, pipeline="topics") for one in keys]


def names(rows: pa.Table) -> list[str]:
    return sorted(rows["request_id"].to_pylist())


@everywhere
def test_a_streams_small_files_become_one_with_the_same_rows_key_and_digest(lake: Lake) -> None:
    stream(lake, 12), stream(lake, 5, "server-2")
    before = lake.snapshot("predictions", pipeline="topics")
    rows = lake.read(before)
    kept = maintain(lake, "predictions")
    after = lake.snapshot("predictions", pipeline="topics")
    assert (kept.files_before, kept.files_after) == (17, 2)
    assert (after.digest, after.rows, after.step_keys) == (before.digest, before.rows, before.step_keys)
    assert names(lake.read(after)) == names(rows)
    assert content_digest(lake.read(after)) == before.digest
    assert len(data_files(place(lake, "predictions"))) == 2


def test_rows_of_two_steps_are_never_in_one_file(lake: Lake, key: StepKey, given: Rows) -> None:
    steps(lake, key, given, 9)
    kept = maintain(lake, "given")
    assert (kept.files_before, kept.files_after) == (9, 9)
    files = delta.files_of(DeltaTable(f"{lake.root}/given"))
    assert [bundle for bundle in bundles(files) if len({file.step_key for file in bundle}) > 1] == []


@everywhere
def test_a_pinned_version_is_read_at_its_version_and_others_are_not(lake: Lake) -> None:
    refs = [stream(lake, 1, first=number) for number in range(1, 31)]
    pins = {refs[7].version: frozenset({"topics v3"}), refs[20].version: frozenset({"topics v9"})}
    kept = maintain(lake, "predictions", pins)
    assert kept.pinned == pins
    for needed in (refs[7], refs[20], refs[29]):
        assert lake.read(needed).num_rows == needed.rows
        assert content_digest(lake.read(needed)) == needed.digest
    with pytest.raises(DatasetGoneError, match="no longer in the log"):
        lake.read(refs[25])
    assert kept.log_after < kept.log_before


def test_years_of_maintenance_leave_a_pinned_version_as_it_was(lake: Lake) -> None:
    needed = stream(lake, 3)
    pins = {needed.version: frozenset({"topics v1"})}
    for year in range(4):
        stream(lake, 25, first=100 * (year + 1))
        kept = maintain(lake, "predictions", pins)
    assert content_digest(lake.read(needed)) == needed.digest
    assert not kept.lost
    assert kept.log_after < 30


@everywhere
def test_a_commit_finds_its_version_in_a_log_with_gaps(lake: Lake, key: StepKey, given: Rows) -> None:
    refs = steps(lake, key, given, 30)
    maintain(lake, "given", {refs[4].version: frozenset({"a model"})})
    again = key.model_copy(update={"run_id": "run-4"})
    assert lake.commit("given", given("whatever"), key=again, pipeline="topics") == refs[4]
    forgotten = key.model_copy(update={"run_id": "run-12"})
    retried = lake.commit("given", given("whatever"), key=forgotten, pipeline="topics")
    assert lake.read(retried)["article_id"].to_pylist() == ["run-12-a"]


def test_a_version_that_left_the_log_is_read_from_the_newest_where_the_rows_are_the_same(
    lake: Lake, key: StepKey, given: Rows
) -> None:
    refs = steps(lake, key, given, 30)
    maintain(lake, "given")
    assert lake.read(refs[3])["article_id"].to_pylist() == ["run-3-a"]
    assert lake.intact(refs[3])


def test_nothing_is_taken_that_is_younger_than_the_grace(lake: Lake) -> None:
    refs = [stream(lake, 1, first=number) for number in range(1, 9)]
    orphan = Path(lake.root) / "predictions" / "part-of-a-writer-under-way.parquet"
    orphan.write_bytes(b"")
    careful = Keeping(retention=Retention(log=0, files=0))
    kept = maintain(lake, "predictions", keeping=careful)
    assert (kept.deleted, kept.log_after) == (0, kept.log_before)
    assert orphan.exists()
    assert lake.read(refs[2]).num_rows == refs[2].rows


def test_a_dry_run_counts_and_changes_nothing(lake: Lake) -> None:
    stream(lake, 30)
    folder = Path(lake.root) / "predictions"
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    kept = maintain(lake, "predictions", keeping=Keeping(retention=Retention(log=0), grace=timedelta(0), dry_run=True))
    assert (kept.compacted.before, kept.compacted.after, kept.files_before) == (30, 1, 30)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_a_step_that_is_replaced_meanwhile_is_not_compacted_and_not_doubled(lake: Lake) -> None:
    stream(lake, 6)
    location = place(lake, "predictions")
    files = delta.files_of(DeltaTable(location.uri))
    compact(location, files, SCHEMAS["predictions"])
    again = compact(location, files, SCHEMAS["predictions"])
    assert (again.after, again.left) == (0, 6)
    assert lake.snapshot("predictions", pipeline="topics").rows == 12


def test_a_writer_in_the_middle_of_a_compaction_loses_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    stream(lake, 6)
    commit, raced = delta.commit, []

    def beside(table: DeltaTable, **given: object) -> None:
        if given["app"] == "pressrun.compaction" and not raced:
            raced.append(stream(lake, 1, "another"))
        commit(table, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(delta, "commit", beside)
    kept = maintain(lake, "predictions")
    assert kept.compacted.before == 6
    assert lake.snapshot("predictions", pipeline="topics").rows == 14


def test_two_maintenances_and_a_writer_at_once_lose_and_double_nothing(lake: Lake) -> None:
    first = stream(lake, 8)
    pins = {first.version: frozenset({"topics v1"})}
    # With less, a file between its writing and its commit would be in the way: that is what the grace is for.
    guarded = Keeping(retention=Retention(log=0, files=0), grace=timedelta(hours=2))
    with ThreadPoolExecutor(max_workers=3) as pool:
        writing = pool.submit(stream, lake, 12, "another")
        keeping = [pool.submit(maintain, lake, "predictions", pins, guarded) for _ in range(2)]
        written, kept = writing.result(), [one.result() for one in keeping]
    assert sum(one.compacted.after for one in kept) >= 1
    assert not maintain(lake, "predictions", pins).lost
    now = lake.snapshot("predictions", pipeline="topics")
    assert now.rows == 40
    assert len(set(names(lake.read(now)))) == 40
    assert content_digest(lake.read(first)) == first.digest
    assert content_digest(lake.read(now)) == now.digest == combined([first.digest, written.digest])


def test_rows_that_were_changed_by_hand_are_not_compacted(lake: Lake) -> None:
    stream(lake, 5)
    file = min(Path(lake.root, "predictions").glob("*.parquet"))
    rows = pq.read_table(file)
    pq.write_table(rows.set_column(rows.schema.get_field_index("model"), "model", pa.array(["x"] * len(rows))), file)
    with pytest.raises(LakeError, match="changed by hand"):
        maintain(lake, "predictions")
    assert len(delta.files_of(DeltaTable(f"{lake.root}/predictions"))) == 5


@pytest.mark.parametrize("survived", range(6))
def test_killed_after_any_deletion_every_kept_version_reads_and_the_next_run_ends_it(
    lake: Lake, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [stream(lake, 1, first=number) for number in range(1, 31)]
    pins = {refs[7].version: frozenset({"topics v3"})}
    with monkeypatch.context() as patch:
        _dies_after(patch, survived)
        with pytest.raises(KeyboardInterrupt):
            maintain(lake, "predictions", pins)
    assert content_digest(lake.read(refs[7])) == refs[7].digest
    assert content_digest(lake.read(refs[29])) == refs[29].digest
    maintain(lake, "predictions", pins)
    assert content_digest(lake.read(refs[7])) == refs[7].digest
    assert lake.snapshot("predictions", pipeline="topics").digest == refs[29].digest


def _dies_after(patch: pytest.MonkeyPatch, deletions: int) -> None:
    from pressrun.lake import retention

    delete, left = retention._delete, [deletions * 5]

    def dying(location: Location, paths: list[str]) -> None:
        for path in paths:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            delete(location, [path])

    patch.setattr(retention, "_delete", dying)


def test_checkpoints_keep_the_transactions_that_make_a_retry_find_its_commit(lake: Lake) -> None:
    last = stream(lake, 25)
    maintain(lake, "predictions", keeping=Keeping(retention=Retention(), grace=timedelta(0)))
    assert read_log(place(lake, "predictions")).last_checkpoint > 0
    repeated = lake.append("predictions", predictions("again"), pipeline="topics", source="server-1", sequence=25)
    assert repeated.rows == last.rows
    assert isinstance(place(lake, "predictions").filesystem, pafs.FileSystem)
