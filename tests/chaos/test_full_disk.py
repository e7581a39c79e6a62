"""A disk that fills: what a person reads, and that nothing accepted is lost when there is room again."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.serving.log import PredictionLog
from pressrun.taste import tasting_environment
from tests.chaos.disk import Disk, small_disk
from tests.forks import FORKS
from tests.loop.conftest import Contents, Stations
from tests.night import Night
from tests.serving.test_server import Running, infer

pytestmark = pytest.mark.slow
KB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", megabytes=64) as made:
        yield made


def attempt(stage: str, home: Path, pipeline: Pipeline, told: Path) -> None:
    """Runs the stage and writes down, elsewhere, what it said."""
    try:
        Night(environment=tasting_environment(home), pipeline=pipeline, results={}).run(stage)
    except Exception as error:
        told.write_text(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    ("stage", "left"),
    [("ingest", (0, 32 * KB)), ("sample", (32 * KB,)), ("label", (0, 32 * KB)), ("train", (4 * KB, 400 * KB))],
)
def test_a_stage_says_which_disk_is_full_and_goes_on_when_there_is_room(
    disk: Disk, stage: str, left: tuple[int, ...], stations: Stations, small: Pipeline, tmp_path: Path,
    contents: Callable[[Night], Contents],
) -> None:  # fmt: skip
    night = stations.before(stage, disk.folder / "home")
    before, told = contents(night), tmp_path / "told"
    for room in left:
        with disk.filled(but=room):
            process = FORKS.Process(target=attempt, args=(stage, night.environment.home, small, told))
            process.start()
            process.join(timeout=250)
            # Not by a signal either: SQLite shares memory with its readers in a file.
            assert process.exitcode == 0
        said = told.read_text()
        assert re.match(rf"DiskFull: the disk of {re.escape(str(disk.folder))}\S* is full: ", said), said
        assert "Make room there" in said
        assert contents(night) == before, "rows are seen when their step has finished, and not before"
    night.run(stage)
    assert contents(night) == contents(stations.after(stage))


def test_a_server_whose_disk_is_full_goes_on_answering_readers_and_counts_what_it_cannot_log(disk: Disk) -> None:
    server = Running(disk.folder).wait()
    try:
        ask, article = "/v2/models/topics/infer", infer("Sports tonight")
        assert server.ask(ask, article)[0] == 200
        with disk.filled(but=0):
            # What is left of the page that the log's end lies in takes some.
            statuses = [server.ask(ask, article)[0] for _ in range(40)]
            metrics = server.ask("/metrics")[1]
        assert statuses == [200] * 40
        unlogged = re.search(r"^pressrun_predictions_unlogged_total\{.*\} (\S+)$", metrics, re.MULTILINE)
        assert unlogged is not None
        assert 0 < float(unlogged[1]) <= 40
        assert server.ask(ask, article)[0] == 200
        time.sleep(1.5)
    finally:
        server.end()
    assert len(server.logged()) == 42 - float(unlogged[1])


def logged(log: PredictionLog, rows: list[dict[str, str]]) -> bool:
    """Whether there was room for them."""
    try:
        log.write(rows)
    except OSError as error:
        return error.errno != errno.ENOSPC
    return True


def test_rows_are_logged_whole_or_not_at_all_when_the_disk_fills(disk: Disk) -> None:
    spool = disk.folder / "spool"
    log, row = PredictionLog(spool, server_id="topics-g1-a"), {"request_id": "x" * 900}
    log.write([row])
    with disk.filled(but=0):
        kept = 1 + 3 * sum(1 for _ in range(20) if logged(log, [row] * 3))
        assert kept < 61
    log.write([row])
    log.close()
    lines = next(spool.iterdir()).read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [row] * (kept + 1)
