"""Predictions from the spool to the lake, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.lake import Lake
from pressrun.rollout.shipping import ship
from pressrun.serving.log import PredictionLog


def row(number: int) -> dict[str, object]:
    return {
        "request_id": f"r{number}", "model": "topics", "model_version": "1", "model_digest": "d", "arm": "champion",
        "generation": 1, "shadow": False, "article_id": None, "impression_id": None, "input_digest": "i",
        "at": "2026-01-05T02:00:00+00:00", "label": "World", "confidence": 0.9, "scores": {"World": 0.9},
        "features": {"tokens": 3.0}, "latency_ms": 1.5, "sampling_rate": 1.0,
    }  # fmt: skip


def ids(lake: Lake) -> list[str]:
    rows = lake.read(lake.snapshot("predictions", pipeline="topics"))
    return sorted(rows.column("request_id").to_pylist())


def test_complete_segments_are_appended_once_and_open_ones_of_live_servers_wait(lake: Lake, tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, server_id="topics-g1-a", most_rows=2)
    for number in range(3):
        log.write([row(number)])
    whole = next(tmp_path.glob("*.jsonl"))
    complete = whole.read_bytes()
    assert ship(lake, tmp_path, pipeline="topics", live={"topics-g1-a"}) == 2
    # The supervisor died between the append and the deletion: the segment is there again.
    whole.write_bytes(complete)
    ship(lake, tmp_path, pipeline="topics", live={"topics-g1-a"})
    assert ids(lake) == ["r0", "r1"]


def test_a_server_that_begins_again_under_its_id_loses_nothing(lake: Lake, tmp_path: Path) -> None:
    for number in range(6):
        log = PredictionLog(tmp_path, server_id="pod-1", most_rows=2)
        log.write([row(2 * number), row(2 * number + 1)])
        if number % 3 == 0:
            ship(lake, tmp_path, pipeline="topics", live=())
    ship(lake, tmp_path, pipeline="topics", live=())
    assert ids(lake) == sorted(f"r{number}" for number in range(12))


@pytest.mark.parametrize("shipped_meanwhile", [False, True])
def test_a_segment_that_went_and_returns_is_shipped_whatever_was_written_meanwhile(
    shipped_meanwhile: bool, lake: Lake, tmp_path: Path
) -> None:
    spool, away = tmp_path / "spool", tmp_path / "away"
    log = PredictionLog(spool, server_id="pod-1", most_rows=2)
    log.write([row(0)])
    spool.rename(away)
    spool.mkdir()
    log.write([row(1), row(2)])
    if shipped_meanwhile:
        assert ship(lake, spool, pipeline="topics", live={"pod-1"}) == 2
    for segment in away.iterdir():
        segment.rename(spool / segment.name)
    ship(lake, spool, pipeline="topics", live={"pod-1"})
    ship(lake, spool, pipeline="topics", live=())
    assert ids(lake) == ["r0", "r1", "r2"]


def test_what_a_killed_server_left_open_is_kept_but_for_its_torn_line(lake: Lake, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    log = PredictionLog(spool, server_id="topics-g1-b")
    log.write([row(7)])
    opened = next(spool.glob("*.open"))
    opened.write_bytes(opened.read_bytes() + b'{"request_id": "to')
    assert ship(lake, spool, pipeline="topics", live=set()) == 1
    assert ids(lake) == ["r7"]
    assert not list(spool.iterdir())
