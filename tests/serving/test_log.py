"""The prediction log: segments that hold whole requests, whoever writes them and whatever becomes of their folder."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import pressrun.bundle
from pressrun.serving.app import App, Logging
from pressrun.serving.errors import Overloaded
from pressrun.serving.hosting import Host, Placed
from pressrun.serving.log import PredictionLog, segment_name
from pressrun.serving.metrics import Metrics
from pressrun.serving.reading import Inference
from pressrun.serving.records import call_of
from tests.serving.running import infer, running
from tests.serving.stub_bundle import StubBundle, write_stub

ROWS = 200


def many(rows: int = ROWS) -> bytes:
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [rows], "data": ["Sports é\u2028 tonight"] * rows}]
    return json.dumps({"inputs": inputs, "parameters": {"article_id": "é\u2028"}}).encode()


def segments(spool: Path) -> list[tuple[str, list[Any]]]:
    return [
        (path.name, [json.loads(line) for line in path.read_bytes().splitlines()]) for path in sorted(spool.iterdir())
    ]


def test_requests_of_many_threads_stand_whole_in_segments_without_a_gap(tmp_path: Path) -> None:
    log, sizes = PredictionLog(tmp_path, server_id="s", most_rows=50, most_seconds=0.01), [1, 7, 60] * 40

    def write(request: int) -> None:
        log.write([{"request": request, "row": row} for row in range(sizes[request])])
        log.tick()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(len(sizes))))
    log.close()
    found = segments(tmp_path)
    assert [name for name, _ in found] == [segment_name(log.source, number) for number in range(1, len(found) + 1)]
    runs = [list(of) for _, rows in found for _, of in groupby(rows, key=lambda row: row["request"])]
    assert sorted((of[0]["request"], len(of)) for of in runs) == list(enumerate(sizes))
    assert all([row["row"] for row in of] == list(range(len(of))) for of in runs)


def test_what_is_written_while_the_log_is_closed_is_in_it(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, server_id="s")
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(log.write, [{"request": number}] * 20) for number in range(100)]
        log.close()
        for one in writing:
            one.result()
    log.close()
    assert sum(len(rows) for _, rows in segments(tmp_path)) == 2000


def test_a_segment_that_cannot_be_ended_yet_refuses_no_row_that_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(tmp_path, server_id="s", most_rows=2)

    def no_leave(*paths: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", no_leave)
    log.write([{"request": 1}, {"request": 2}])
    with pytest.raises(PermissionError):
        log.tick()
    monkeypatch.undo()
    log.write([{"request": 3}])
    log.close()
    ((name, rows),) = segments(tmp_path)
    assert (name, [row["request"] for row in rows]) == (segment_name(log.source, 1), [1, 2, 3])


class Kept(PredictionLog):
    """A log that remembers which thread wrote how many rows, and is full if it is told to be."""

    def __init__(self, spool: Path) -> None:
        super().__init__(spool, server_id="s")
        self.threads, self.full = dict[int, int](), False

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.threads[len(rows)] = threading.get_ident()
        if self.full:
            raise OSError("no room")
        super().write(rows)


def test_a_large_request_is_logged_off_the_loop_and_a_small_one_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)

    async def act() -> None:
        host, log = Host(metrics=Metrics()), Kept(tmp_path / "spool")
        hosted = host.load(Placed(bundle=write_stub(tmp_path / "1"), model="topics", version="1"))
        app = App(host, logging=Logging(log=log, durable=True))

        async def ask(rows: int) -> int:
            nobody, who = [None] * rows, hosted.identity
            inference = Inference(batch=["Sports"] * rows, article_ids=nobody, impression_ids=nobody)
            return (await app._infer(hosted, False, who, call_of({}, who), inference)).status

        for rows in (1, ROWS):
            assert await ask(rows) == 200
            assert len(segments(log.spool)[0][1]) >= rows, "the answer goes out after its rows are written"
        assert log.threads[1] == threading.get_ident()
        assert log.threads[ROWS] != threading.get_ident()
        log.full = True
        with pytest.raises(Overloaded):
            await ask(ROWS)
        assert unlogged(host.metrics.render().decode()) == ROWS

    asyncio.run(act())


def test_a_large_request_is_in_a_durable_log_when_it_is_answered(tmp_path: Path) -> None:
    with running(tmp_path, "--log=durable") as server:
        assert server.ask("/v2/models/topics/infer", many())[0] == 200
        ((_, rows),) = segments(server.spool)
        assert [row["request_id"].partition("#")[2] for row in rows] == [str(number) for number in range(ROWS)]
        assert {row["article_id"] for row in rows} == {"é\u2028"}


@pytest.mark.parametrize(("kind", "status"), [("durable", 429), ("best-effort", 200)])
@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_spool_that_goes_while_it_is_written_to_is_noticed_by_the_next_request(
    kind: str, status: int, how: str, tmp_path: Path
) -> None:
    with running(tmp_path, f"--log={kind}") as server:
        assert server.ask("/predict", b'{"text": "World news"}')[0] == 200
        shutil.rmtree(server.spool) if how == "removed" else server.spool.rename(tmp_path / "moved")
        for body in (infer("Sports"), many()):
            assert server.ask("/v2/models/topics/infer", body)[0] == status
        assert unlogged(server.ask("/metrics")[1]) == 1 + ROWS
        server.spool.mkdir()
        assert server.ask("/predict", b'{"text": "Business news"}')[0] == 200
        server.end()
        ((name, rows),) = segments(server.spool)
        assert (name[-16:], [row["label"] for row in rows]) == ("0000000001.jsonl", ["Business"])


def test_a_spool_that_is_gone_at_the_end_is_told_in_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path) as server:
        assert server.ask("/predict", b'{"text": "World news"}')[0] == 200
        shutil.rmtree(server.spool)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    said = capfd.readouterr().err
    assert str(server.spool) in said
    assert "Traceback" not in said


def unlogged(metrics: str) -> float:
    (line,) = [one for one in metrics.splitlines() if one.startswith("pressrun_predictions_unlogged_total")]
    return float(line.rpartition(" ")[2])
