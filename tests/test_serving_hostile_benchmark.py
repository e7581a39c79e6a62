"""The benchmark of hostile clients: what they send, and what is made of a run. Its servers are not started here."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import serving_hostile_clients as clients
import serving_hostile_network
import serving_hostile_page as page
from serving_hostile_kinds import DISTURBANCES, MOST_ROWS, TOO_LARGE, Order, body_of
from serving_servers import ALL

ROW = json.dumps([0.25] * 64)
BODIES = [one.name for one in DISTURBANCES if one.does == "bodies"]
PEERS = ("pressrun", "mosec", "fastapi")


def pair(peer: str, disturbance: str, repeat: int, alone: float, beside: float, **other: Any) -> dict[str, Any]:
    seen = {"p50": 1.0, "p999": 9.0, "errors": 0, "busy": 0.2}
    about = {"point": "pair", "peer": peer, "disturbance": disturbance, "repeat": repeat, "rate": 100.0}
    connected = {"grown_mb": 100.0, "began": 10_000, "held": 10_000}
    measured = {**connected, "answered": 1.0, "others": 0.0, "hostile": {"busy": 0.1}}
    return {**about, **measured, "alone": {**seen, "p99": alone}, "beside": {**seen, "p99": beside}, **other}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(2)
        yield one, other


def order(does: str, **given: Any) -> Order:
    about = {"host": "127.0.0.1", "port": 9, "path": "/predict", "body": ROW, "large": "/docs", "count": 1}
    return Order(does=does, **{**about, "per_second": 0.0, **given})


def test_each_disturbance_has_a_client_that_does_it() -> None:
    assert {one.does for one in DISTURBANCES} == set(clients.KINDS)
    assert len({one.name for one in DISTURBANCES}) == len(DISTURBANCES)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", BODIES)
def test_every_body_can_be_sent_to_every_server(peer: str, kind: str) -> None:
    body = body_of(kind, ALL[peer].wires["gbdt"].body, ROW)
    assert body.decode("latin-1").encode("latin-1") == body
    assert Order(**json.loads(order("bodies", body=body.decode("latin-1")).line())).body.encode("latin-1") == body


def test_bodies_are_as_wrong_as_they_say() -> None:
    wire = ALL["pressrun"].wires["gbdt"].body
    assert len(body_of("too_large", wire, ROW)) > TOO_LARGE
    assert b"[NaN,0.25" in body_of("nan", wire, ROW)
    (empty,) = json.loads(body_of("empty", wire, ROW))["inputs"]
    assert (empty["shape"], empty["data"]) == ([0, 64], [])
    with pytest.raises(RecursionError):
        json.loads(body_of("deep", wire, ROW))


def test_the_largest_batch_is_one_that_is_right_for_either_form() -> None:
    (tensor,) = json.loads(body_of("largest", ALL["pressrun"].wires["gbdt"].body, ROW))["inputs"]
    assert (tensor["shape"], len(tensor["data"])) == ([MOST_ROWS, 64], 64 * MOST_ROWS)
    rows = json.loads(body_of("largest", ALL["fastapi"].wires["gbdt"].body, ROW))["features"]
    assert (len(rows), len(rows[0])) == (MOST_ROWS, 64)


def test_an_answer_is_read_to_its_end(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    other.sendall(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\n\r\nmu")
    other.sendall(b"ch")
    assert clients.answer(one) == (413, b"much")


def test_who_is_cut_off_has_no_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    assert clients.is_open(one)
    other.close()
    assert not clients.is_open(one)
    assert clients.answer(one) == (None, b"")


def test_a_connection_with_an_unread_answer_is_open_and_looking_takes_none_of_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    one, other = ends
    other.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert clients.is_open(one)
    assert clients.answer(one) == (200, b"")


def test_no_network_is_made_for_who_is_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_hostile_network.os, "geteuid", lambda: 1000)
    with pytest.raises(serving_hostile_network.NoNetwork, match="root"), serving_hostile_network.network():
        pass


def test_a_ratio_is_the_median_over_repeats_and_a_group_has_its_worst() -> None:
    silent = [pair("pressrun", "idle_silent", repeat, 2.0, beside) for repeat, beside in enumerate((2.0, 3.0, 40.0))]
    kept = [pair("pressrun", "idle_kept", 0, 2.0, 5.0), pair("mosec", "idle_kept", 0, 2.0, 8.0)]
    told = page.summary([*silent, *kept])
    assert told["ratios"]["p99_beside_idle_over_alone"] == 2.5
    assert told["ratios"]["p99_beside_half_open_over_alone"] is None
    assert told["peers"]["mosec"]["p99_beside_idle_over_alone"] == 4.0
    assert told["over"] == ["p99_beside_idle_over_alone"]
    assert told["kb_a_connection"]["idle_silent"] == 10.24


def test_errors_of_the_server_and_what_failed_are_counted() -> None:
    hostile = {"busy": 0.1, "statuses": {"400": 7, "500": 2, "503": 1}}
    failed = {"point": "failed", "peer": "pressrun", "disturbance": "half_open", "repeat": 0, "reason": "no answer"}
    told = page.summary([pair("pressrun", "nan", 0, 2.0, 2.0, hostile=hostile), failed])
    assert (told["server_errors"], told["failed"]) == (3, ["half_open"])


def test_what_was_not_answered_is_told_beside_the_ratio() -> None:
    records = [pair("pressrun", "idle_kept", 0, 2.0, 2.0, answered=0.4)]
    assert page.ratio_rows(records) == [["10,000 idle, answered and kept", "1.00, 40% answered"]]


def test_the_page_has_a_place_for_every_table(tmp_path: Path) -> None:
    place = Path(__file__).parents[1] / "docs" / "benchmarks" / page.PAGE
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / page.PAGE).write_text(place.read_text(encoding="utf-8"), encoding="utf-8")
    hostile = {"busy": 0.1, "statuses": {"400": 7}, "words": '{"error": "a | b"}'}
    records = [pair(peer, "idle_kept", 0, 2.0, 3.0) for peer in PEERS]
    records += [pair(peer, "nan", 0, 2.0, 3.0, hostile=hostile) for peer in PEERS]
    about = {"machine": "a machine", "date": "2026-01-01", "commit": "abc"}
    sizes = {"repeats": 1, "seconds": 3.0, "share": 0.4}
    page.write_page(tmp_path, records, page.summary(records), about=about, sizes=sizes)
    text = (tmp_path / "benchmarks" / page.PAGE).read_text(encoding="utf-8")
    assert "| 10,000 idle, answered and kept | 1.50 | 1.50 | 1.50 |" in text
    assert "Nothing is claimed here yet" not in text
