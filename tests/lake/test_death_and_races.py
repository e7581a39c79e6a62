"""Real processes die at each boundary and race each other: no row is lost, none is doubled."""

from __future__ import annotations

import multiprocessing.process
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from pressrun.lake import SCHEMAS, Lake, StageResult, StepKey
from pressrun.lake.delta import Location, Retention, files_of
from tests.forks import FORKS
from tests.lake.places import everywhere

_DIE = """
import os, signal
from pressrun.lake import Lake, StageResult, StepKey, delta, rows_of, writing

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

key = StepKey(dag_id="d", run_id="r", task_id="t")
lake = Lake(root, options)
if boundary == "before the data files":
    delta.write_file = die
if boundary == "between data files and log":
    delta.commit = die
if boundary == "after the log, before the answer":
    writing._find = die
rows = rows_of("given", [{"article_id": name} for name in "abc"])
dataset = lake.commit("given", rows, key=key, pipeline="topics")
if boundary == "before the manifest":
    die()
result = StageResult(stage="t", step_key=str(key), datasets={"given": dataset})
lake.finish(result, key=key, pipeline="topics", fingerprint="f")
die()
"""

_RACE = """
import time
from pathlib import Path
from pressrun.lake import Lake, StageResult, StepKey, rows_of
lake = Lake(root, options)
while not Path(start).exists():
    time.sleep(0.002)
said = []
for number in range(4):
    key = StepKey(dag_id="d", run_id=run, task_id=f"t{number}")
    dataset = lake.commit("given", rows_of("given", [{"article_id": f"{run}{number}"}]), key=key, pipeline="topics")
    result = StageResult(stage="t", step_key=str(key), datasets={"given": dataset})
    said.append(lake.finish(result, key=key, pipeline="topics", fingerprint=run).model_dump_json())
Path(out).write_text("\\n".join(said))
"""


_COMMIT_MANY = """
import time
from pathlib import Path
from pressrun.lake import Lake, StepKey, rows_of
lake = Lake(root, options)
while not Path(start).exists():
    time.sleep(0.002)
for number in range(count):
    key = StepKey(dag_id="d", run_id=run, task_id=f"t{number}")
    lake.commit("given", rows_of("given", [{"article_id": f"{run}{number}"}]), key=key, pipeline="topics")
"""


def _start(code: str, **given: object) -> multiprocessing.process.BaseProcess:
    process = FORKS.Process(target=exec, args=(code, given), daemon=True)
    process.start()
    return process


def _ids(lake: Lake) -> list[str]:
    return sorted(lake.read(lake.snapshot("given", pipeline="topics"))["article_id"].to_pylist())


@everywhere
@pytest.mark.parametrize(
    "boundary",
    [
        "before the data files",
        "between data files and log",
        "after the log, before the answer",
        "before the manifest",
        "after the manifest",
    ],
)
def test_a_retry_after_kill_9_loses_and_doubles_nothing(
    lake: Lake, given: Callable[..., pa.Table], boundary: str
) -> None:
    process = _start(_DIE, root=lake.root, options=lake.storage_options, boundary=boundary)
    process.join(timeout=250)
    assert process.exitcode == -signal.SIGKILL
    assert _ids(lake) == (["a", "b", "c"] if boundary == "after the manifest" else [])
    key = StepKey(dag_id="d", run_id="r", task_id="t")
    dataset = lake.commit("given", given("a", "b", "c"), key=key, pipeline="topics")
    result = StageResult(stage="t", step_key=str(key), datasets={"given": dataset})
    assert lake.finish(result, key=key, pipeline="topics", fingerprint="f") == result
    assert _ids(lake) == ["a", "b", "c"]


@everywhere
@pytest.mark.parametrize("runs", [("same", "same"), ("one", "two")])
def test_processes_that_race_from_the_creation_of_the_tables_on_both_end_right(
    lake: Lake, tmp_path: Path, runs: tuple[str, str]
) -> None:
    start, said = tmp_path / "start", [tmp_path / "first", tmp_path / "second"]
    racers = [
        _start(_RACE, root=lake.root, options=lake.storage_options, run=run, start=str(start), out=str(out))
        for run, out in zip(runs, said, strict=True)
    ]
    start.touch()
    for racer in racers:
        racer.join(timeout=120)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert _ids(lake) == sorted({f"{run}{number}" for run in runs for number in range(4)})
    if runs[0] == runs[1]:
        assert said[0].read_text() == said[1].read_text()


@everywhere
def test_of_200_commits_that_two_processes_race_for_none_is_lost_and_none_doubled(lake: Lake, tmp_path: Path) -> None:
    start, each = tmp_path / "start", 100
    racers = [
        _start(_COMMIT_MANY, root=lake.root, options=lake.storage_options, run=run, start=str(start), count=each)
        for run in ("one", "two")
    ]
    start.touch()
    for racer in racers:
        racer.join(timeout=240)
    assert [racer.exitcode for racer in racers] == [0, 0]
    table = lake.location("given").open()
    assert table is not None
    rows = sorted(path.step_key for path in files_of(table))
    assert rows == sorted(f"d/{run}/t{number}/-1" for run in ("one", "two") for number in range(each))
    # One version a commit: none was made twice. (Who loses the race to create the table may leave a version of that.)
    assert sum("pressrun.app" in version for version in table.history()) == 2 * each


@everywhere
def test_of_several_that_create_a_table_at_one_moment_one_does(lake: Lake) -> None:
    for round_ in range(6):
        location = replace(lake.location("given"), uri=f"{lake.root}/given{round_}")
        begin = Barrier(4)

        def create(location: Location = location, begin: Barrier = begin) -> int:
            begin.wait(timeout=60)
            return location.open_or_create(SCHEMAS["given"], Retention()).version()

        with ThreadPoolExecutor(4) as pool:
            created = [made.result() for made in [pool.submit(create) for _ in range(4)]]
        assert created == [0] * 4
        table = location.open()
        assert table is not None
        assert [entry["operation"] for entry in table.history()] == ["CREATE TABLE"]
