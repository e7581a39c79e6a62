"""A server process of its own: with a stub bundle, or with the models that a file names."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.serving.stub_bundle import write_stub

HERE = Path(__file__).parent
STUB = (str(HERE / "stub_server.py"),)
REAL = ("-m", "pressrun.serving")


class Running:
    """`python -m pressrun.serving`, or the same with stubs for bundles; `more` are options of its command line."""

    def __init__(self, folder: Path, *more: str, models: Path | None = None, program: tuple[str, ...] = STUB) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.spool = folder / "spool"
        one = {"model": "topics", "version": "3"}
        options = {"port": self.port, "spool": self.spool, "server-id": "s1", "parent": os.getpid()}
        what = [f"--models={models}"] if models else [str(write_stub(folder / "bundle"))]
        command = [f"--{name}={value}" for name, value in (options | ({} if models else one)).items()]
        self.process = subprocess.Popen([sys.executable, *program, *what, *command, *more])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST" if body is not None else "GET", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def wait(self) -> Running:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            try:
                if self.ask("/readyz")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"not ready; it ended with {self.process.poll()}")

    def logged(self) -> list[dict[str, Any]]:
        lines = [line for path in sorted(self.spool.iterdir()) for line in path.read_text().splitlines()]
        return [json.loads(line) for line in lines]


@contextmanager
def running(folder: Path, *more: str, **given: Any) -> Iterator[Running]:
    """The server, ready, and gone afterwards."""
    server = Running(folder, *more, **given)
    try:
        yield server.wait()
    finally:
        server.kill()


def infer(title: str) -> bytes:
    inputs = [{"name": "title", "datatype": "BYTES", "shape": [1], "data": [title]}]
    return json.dumps({"inputs": inputs, "parameters": {"article_id": "a1", "impression_id": "i1"}}).encode()
