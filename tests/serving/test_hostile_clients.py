"""Clients that are slow, silent, half gone or too many: the others are answered, and each is told or cut off."""

from __future__ import annotations

import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pressrun.serving.bodies import MAX_BODY
from tests.serving.running import Running, running

pytestmark = pytest.mark.timeout(300)
IDLE = 5_000
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BODY = b'{"text": "World news"}'
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = b"%x\r\n%b\r\n" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("hostile")) as made:
        yield made


def connected(server: Running, seconds: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=seconds)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def counted(server: Running, status: str) -> float:
    """How many requests have been answered so."""
    series = rf'^pressrun_requests_total{{.*status="{status}".*}} (\S+)$'
    return sum(map(float, re.findall(series, server.ask("/metrics")[1], re.MULTILINE)))


def healthy(server: Running) -> None:
    assert server.ask("/predict", BODY)[0] == 200


def test_a_body_that_comes_a_byte_at_a_time_is_answered_and_nobody_waits_for_it(server: Running) -> None:
    with connected(server) as slow:
        slow.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY))
        for byte in BODY:
            slow.sendall(bytes([byte]))
            time.sleep(0.01)
            if byte == ord(" "):
                healthy(server)
        assert status(slow.recv(4096)) == 200


def test_a_client_that_leaves_in_the_midst_of_its_body_is_no_failure_of_the_server(server: Running) -> None:
    for _ in range(20):
        with connected(server) as gone:
            gone.sendall(HEAD + b"content-length: 5000\r\n\r\n{")
    healthy(server)
    assert 'status="500"' not in server.ask("/metrics")[1]


@pytest.mark.parametrize(
    "sent",
    [
        CHUNKED + WHOLE,
        CHUNKED + WHOLE + b"5\r\n{",
        CHUNKED + WHOLE + b"ZZ\r\n",
        HEAD + b"content-length: %d\r\n\r\n" % (MAX_BODY + 1) + BODY,
    ],
    ids=["no last chunk", "half a chunk", "no chunk", "less than its length"],
)
def test_a_body_that_breaks_off_is_never_taken_as_whole(server: Running, sent: bytes) -> None:
    """What came of it may well be whole by itself."""
    before = counted(server, "499")
    with connected(server) as gone:
        gone.sendall(sent)
        gone.shutdown(socket.SHUT_WR)
        answer = gone.recv(4096)
    assert not answer or status(answer) == 499
    end = time.monotonic() + 10
    while counted(server, "499") == before:
        assert time.monotonic() < end, "its client's leaving is not counted"
        time.sleep(0.05)
    healthy(server)


def test_chunks_are_put_together_however_small_they_are_and_whenever_they_come(server: Running) -> None:
    with connected(server) as client:
        client.sendall(CHUNKED)
        for byte in b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.002)
        assert status(client.recv(4096)) == 200


def test_trailers_are_refused_since_they_look_like_a_body_that_breaks_off(server: Running) -> None:
    with connected(server) as client:
        client.sendall(CHUNKED + WHOLE + b"0\r\nx-sum: 1\r\n\r\n")
        answer = client.recv(4096)
    assert status(answer) == 499
    assert b"trailers" in answer


def test_chunks_that_are_too_many_are_told_so(server: Running) -> None:
    with connected(server) as client:
        client.sendall(CHUNKED + (b"100000\r\n%b\r\n" % bytes(2**20)) * (MAX_BODY // 2**20 + 1) + b"0\r\n\r\n")
        assert status(client.recv(4096)) == 413
    healthy(server)


def test_a_client_that_closes_its_side_is_answered_or_let_go_and_never_kept_waiting(server: Running) -> None:
    for _ in range(10):
        with connected(server) as half:
            half.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
            half.shutdown(socket.SHUT_WR)
            answer = half.recv(4096)
            assert not answer or status(answer) == 200
    healthy(server)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03" * 100,
        b"GET\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}{}{}",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n",
        b"POST /predict HTTP/1.1\r\n" + b"x-long: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % n for n in range(5000)) + b"\r\n",
    ],
    ids=["bytes", "no version", "negative length", "two lengths", "no chunk", "long header", "many headers"],
)
def test_what_is_no_http_is_refused_or_cut_off(server: Running, sent: bytes) -> None:
    with connected(server) as client:
        try:
            client.sendall(sent)
            answer = client.recv(4096)
        except OSError:
            answer = b""
        assert not answer or 400 <= status(answer) < 500
    healthy(server)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"text": ' * 50_000,
        b'{"text": "' + b"\\u0000" * 5000 + b'"}',
        b'{"text": "\\ud800"}',
        b"\xff" * 99,
    ],
    ids=["deep lists", "deep objects", "zeros", "half a pair", "no text"],
)
def test_a_body_that_is_hard_to_read_gets_an_answer_that_is_no_failure(server: Running, body: bytes) -> None:
    for path in ("/predict", "/v2/models/topics/infer"):
        got, answer = server.ask(path, body)
        assert got in (200, 400), answer
        assert got == 200 or answer["error"]


def test_thousands_of_idle_connections_keep_nobody_from_being_answered(server: Running) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            for _ in range(min(IDLE, hard - 200)):
                stack.enter_context(connected(server))
            for _ in range(20):
                healthy(server)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_that_never_comes_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path, "--body-seconds=0.5") as server, connected(server) as silent:
        silent.sendall(HEAD + b"content-length: 100\r\n\r\n{")
        answer = silent.recv(4096)
        assert status(answer) == 408
        assert "did not come within" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
