"""A mirror has the same steps, the same files and the same digests; whatever dies, readers there never see half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.lake import Lake, LakeError, StageResult, StepKey, delta, rows_of
from pressrun.lake import mirror as module
from pressrun.lake.erased import hashed
from pressrun.lake.mirror import DamagedError, Selection, mirror
from tests.forks import FORKS
from tests.lake.places import lake_in

Rows = Callable[..., pa.Table]
_DIE = """
import os, signal
from pressrun.lake import Lake, delta, mirror

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function, count):
    left = [count]
    def act(*args, **kwargs):
        left[0] -= 1
        return die() if left[0] < 0 else function(*args, **kwargs)
    return act

mirror._put = after(mirror._put, puts)
delta.commit_all = after(delta.commit_all, commits)
mirror.mirror(Lake(near), Lake(far, options))
"""


@pytest.fixture
def near(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "near"))


@pytest.fixture(params=["folder", "s3", "gcs"])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return lake_in(request.param, tmp_path / "far")


def step(run: str) -> StepKey:
    return StepKey(dag_id="topics_retrain", run_id=run, task_id="ingest")


def done(lake: Lake, run: str, *ids: str, pipeline: str = "topics") -> StageResult:
    """A finished step with rows of two tables."""
    given = rows_of("given", [{"article_id": name, "label": "Sports", "raw": "2"} for name in ids])
    groups = rows_of("groups", [{"article_id": name, "group_id": "g"} for name in ids])
    datasets = {
        "given": lake.commit("given", given, key=step(run), pipeline=pipeline),
        "groups": lake.commit("groups", groups, key=step(run), pipeline=pipeline),
    }
    result = StageResult(stage="ingest", step_key=str(step(run)), datasets=datasets)
    return lake.finish(result, key=step(run), pipeline=pipeline, fingerprint=f"f {run}")


def again(lake: Lake, run: str, *ids: str) -> StageResult:
    """The same step asked for anew, with other rows."""
    generation = lake.standing(step(run)).generation + 1
    lake.withdraw(step(run), pipeline="topics", generation=generation)
    lake.bind(step(run), "other", generation=generation)
    return done(lake, run, *ids)


def ids(lake: Lake, table: str = "given", pipeline: str = "topics") -> list[str]:
    return sorted(lake.read(lake.snapshot(table, pipeline=pipeline))["article_id"].to_pylist())


def predicted(lake: Lake, *names: str, sequence: int) -> None:
    rows = rows_of("predictions", [{"request_id": name, "model": "topics"} for name in names])
    lake.append("predictions", rows, pipeline="topics", source="server", sequence=sequence)


def test_the_far_side_reads_the_near_sides_datasets_by_the_same_references(near: Lake, far: Lake) -> None:
    first, second = done(near, "one", "a", "b"), done(near, "two", "c")
    near.commit("given", rows_of("given", [{"article_id": "unfinished"}]), key=step("three"), pipeline="topics")
    brought = mirror(near, far)
    assert brought.steps == {"given": 2, "groups": 2, "steps": 2}
    assert brought.files == 6
    assert ids(far) == ids(near) == ["a", "b", "c"]
    assert far.snapshot("given", pipeline="topics").digest == near.snapshot("given", pipeline="topics").digest
    for result in (first, second):
        assert far.finished(StepKey(dag_id="topics_retrain", run_id=result.step_key.split("/")[1], task_id="ingest"))
        for dataset in result.datasets.values():
            assert far.read(dataset).equals(near.read(dataset))
            assert far.intact(dataset)
    reused = far.reusable("f one")
    assert reused is not None
    assert reused.step_key == first.step_key


def test_what_is_there_is_not_sent_again(near: Lake, far: Lake) -> None:
    done(near, "one", "a")
    mirror(near, far)
    assert (mirror(near, far).files, mirror(near, far).steps) == (0, {})
    done(near, "two", "b")
    more = mirror(near, far)
    assert (more.files, more.steps) == (3, {"given": 1, "groups": 1, "steps": 1})
    assert ids(far) == ["a", "b"]


def test_a_step_that_was_done_again_is_replaced_and_its_generation_goes_along(near: Lake, far: Lake) -> None:
    done(near, "one", "a")
    mirror(near, far)
    result = again(near, "one", "x", "y")
    mirror(near, far)
    assert (ids(far), ids(far, "groups")) == (["x", "y"], ["x", "y"])
    assert far.finished(step("one")) == result
    assert far.standing(step("one")).generation == 1
    assert far.read(result.datasets["given"]).num_rows == 2


def test_a_streams_dataset_of_a_moment_is_found_among_what_came_later(near: Lake, far: Lake) -> None:
    predicted(near, "p1", sequence=0)
    mirror(near, far)
    predicted(near, "p2", "p3", sequence=1)
    moment = near.snapshot("predictions", pipeline="topics")
    predicted(near, "p4", sequence=2)
    mirror(near, far)
    assert sorted(far.read(moment, ["request_id"])["request_id"].to_pylist()) == ["p1", "p2", "p3"]
    assert far.snapshot("predictions", pipeline="topics").rows == 4


def test_one_pipeline_one_table_or_one_dataset_can_be_asked_for(near: Lake, far: Lake) -> None:
    one = done(near, "one", "a")
    done(near, "two", "b")
    done(near, "mind", "m", pipeline="mind")
    mirror(near, far, selection=Selection.of(one.datasets["given"]))
    assert (ids(far), ids(far, "groups")) == (["a"], [])
    mirror(near, far, selection=Selection(pipeline="topics", tables=("groups",)))
    assert (ids(far), ids(far, "groups"), ids(far, pipeline="mind")) == (["a"], ["a", "b"], [])
    mirror(near, far)
    assert (ids(far), ids(far, pipeline="mind")) == (["a", "b"], ["m"])


def test_a_step_of_which_tables_are_missing_is_read_by_table_and_finished_only_when_all_of_it_is_there(
    near: Lake, far: Lake
) -> None:
    result = done(near, "one", "a", "b")
    first = mirror(near, far, selection=Selection(tables=("given",)))
    assert (first.partial, ids(far), ids(far, "groups")) == ({str(step("one"))}, ["a", "b"], [])
    assert (far.finished(step("one")), far.reusable("f one"), far.results("topics")) == (None, None, [])
    assert mirror(near, far, selection=Selection(tables=("given",))).files == 0
    second = mirror(near, far, selection=Selection(tables=("groups",)))
    assert (second.partial, ids(far), ids(far, "groups")) == (frozenset(), ["a", "b"], ["a", "b"])
    assert far.finished(step("one")) == far.reusable("f one") == result
    assert mirror(near, far, selection=Selection(tables=("given",))).partial == frozenset()
    assert mirror(near, far).files == 0


def test_a_table_of_a_step_that_was_done_again_is_not_shown_beside_old_rows_of_another(near: Lake, far: Lake) -> None:
    done(near, "one", "a")
    mirror(near, far)
    again(near, "one", "x")
    assert mirror(near, far, selection=Selection(tables=("given",))).partial == {str(step("one"))}
    assert (ids(far), ids(far, "groups"), far.finished(step("one"))) == ([], [], None)
    mirror(near, far)
    assert (ids(far), ids(far, "groups")) == (["x"], ["x"])
    assert far.finished(step("one"))


def test_a_reference_that_the_mirror_has_not_brought_yet_is_an_error_that_says_so(near: Lake, far: Lake) -> None:
    done(near, "one", "a")
    mirror(near, far)
    result = again(near, "one", "x")
    with pytest.raises(LakeError, match="brought up to date since"):
        far.read(result.datasets["given"].model_copy(update={"version": 1}))


@pytest.mark.parametrize(("puts", "commits"), [(0, 99), (3, 99), (99, 0), (99, 1), (99, 2), (99, 3)])
def test_a_mirror_that_is_killed_anywhere_shows_no_half_and_is_gone_on_with(
    near: Lake, far: Lake, puts: int, commits: int
) -> None:
    done(near, "one", "a", "b")
    mirror(near, far)
    again(near, "one", "x", "y", "z")
    predicted(near, "p", sequence=0)
    given = {"near": near.root, "far": far.root, "options": far.storage_options, "puts": puts, "commits": commits}
    process = FORKS.Process(target=exec, args=(_DIE, given), daemon=True)
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert (ids(far), ids(far, "groups")) in ((["a", "b"],) * 2, ([], []))
    mirror(near, far)
    assert ids(far) == ids(far, "groups") == ["x", "y", "z"]
    assert mirror(near, far).files == 0


def test_two_mirrors_at_once_do_no_harm(near: Lake, far: Lake) -> None:
    for number in range(6):
        done(near, f"run {number}", f"a{number}")
    errors: list[Exception] = []

    def run() -> None:
        try:
            mirror(near, Lake(far.root, far.storage_options))
        except Exception as error:
            errors.append(error)

    racers = [threading.Thread(target=run) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert errors == []
    assert ids(far) == ids(near)
    table = far.location("given").open()
    assert table is not None
    paths = [file.path for file in delta.files_of(table)]
    assert len(paths) == len(set(paths)) == 6


def test_a_file_that_is_damaged_on_its_way_is_never_committed(
    near: Lake, far: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(near, "one", "a")
    other = rows_of("given", [{"article_id": "other", "label": "x", "raw": "x"}])
    with monkeypatch.context() as patch:
        put = module._put

        def damaged(location: delta.Location, path: str, content: bytes) -> None:
            sink = pa.BufferOutputStream()
            if "given" in location.uri:
                pq.write_table(other, sink)
                content = sink.getvalue().to_pybytes()
            put(location, path, content)

        patch.setattr(module, "_put", damaged)
        with pytest.raises(DamagedError, match="run the mirror again"):
            mirror(near, far)
    assert ids(far) == []
    mirror(near, far)
    assert ids(far) == ["a"]


def test_a_step_that_changes_while_it_is_copied_is_left_for_the_next_run(
    near: Lake, far: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(near, "one", "a")
    done(near, "two", "b")
    send, changes = module._put, iter([lambda: again(near, "one", "x")])

    def put(location: delta.Location, path: str, content: bytes) -> None:
        for change in changes:
            change()
        send(location, path, content)

    monkeypatch.setattr(module, "_put", put)
    assert mirror(near, far).held == {str(step("one"))}
    assert ids(far) == ["b"]
    assert mirror(near, far).held == set()
    assert ids(far) == ["b", "x"]


def shown(lake: Lake, *readers: str, generation: int = 0) -> None:
    """A finished step with an impression a reader."""
    rows = [{"impression_id": f"i {name}", "article_id": "a", "reader_id": name} for name in readers]
    lake.bind(step("shown"), "", generation=generation)
    made = lake.commit("interactions", rows_of("interactions", rows), key=step("shown"), pipeline="topics")
    result = StageResult(stage="ingest", step_key=str(step("shown")), datasets={"interactions": made})
    lake.finish(result, key=step("shown"), pipeline="topics", fingerprint="f")


def block(lake: Lake, reader: str) -> None:
    row = {"kind": "reader", "hash": hashed("reader", reader), "erasure_id": "e"}
    lake.append("erased", rows_of("erased", [row]), pipeline="topics", source="e", sequence=0)


def test_rows_of_a_reader_who_is_being_erased_do_not_come_back_by_a_mirror(near: Lake, far: Lake) -> None:
    """The block list goes first, and what is held against it waits until the near side has taken the rows out."""
    shown(near, "ann", "bob")
    block(near, "ann")
    assert mirror(near, far).held == {str(step("shown"))}
    assert far.snapshot("interactions", pipeline="topics").rows == 0
    near.withdraw(step("shown"), pipeline="topics", generation=1)
    shown(near, "bob", generation=1)
    assert mirror(near, far).held == set()
    assert far.read(far.snapshot("interactions", pipeline="topics"))["reader_id"].to_pylist() == ["bob"]


def test_from_cloud_to_cloud_and_home_again(tmp_path: Path) -> None:
    places = [lake_in(place, tmp_path / place) for place in ("folder", "s3", "gcs", "folder")]
    places[3] = Lake(str(tmp_path / "home"))
    result = done(places[0], "one", "a", "b")
    for near, far in pairwise(places):
        mirror(near, far)
    assert places[3].read(result.datasets["given"]).equals(places[0].read(result.datasets["given"]))
