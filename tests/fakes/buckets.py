"""Buckets for tests: a server of each kind a test process, and a way to make it misbehave.

`s3_server` and `gcs_server` start one; `bucket_server` is the session's, started when it is first asked for and ended
with the session, so that each worker of pytest-xdist has its own. `troubled` stands before a server and spoils answers.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from uuid import uuid4

from pressrun.buckets import BucketServer, gcs_server, s3_server
from pressrun.buckets.servers import Kind

__all__ = ["BucketServer", "Troubled", "bucket_server", "gcs_server", "new_root", "s3_server", "troubled"]

_running = ExitStack()
atexit.register(_running.close)


@cache
def bucket_server(kind: Kind) -> BucketServer:
    """This test process's server of that kind."""
    return _running.enter_context(s3_server() if kind == "s3" else gcs_server())


def new_root(server: BucketServer) -> str:
    """The address of an empty lake in a bucket of its own."""
    return server.make_bucket(f"lake-{uuid4().hex[:16]}") + "/lake"


@dataclass(frozen=True, kw_only=True)
class Troubled:
    """A server behind something that spoils its answers as it is told; `server.endpoint` is the address of both."""

    server: BucketServer

    def spoil(
        self, status: int, code: str, message: str, *, matching: str = "", seconds: float = 1e9, times: int = 10**9
    ) -> None:
        """From now on requests whose "METHOD path" matches are answered like this, so long and so often."""
        self._tell(status=status, code=code, message=message, matching=matching, seconds=seconds, times=times)

    def ignore_conditions(self) -> None:
        """From now on every write is made, whatever is there already: a store without conditional writes."""
        self._tell(unheeded=["if-none-match", "if-match", "x-goog-if-generation-match"])

    def mend(self) -> None:
        """From now on nothing is wrong."""
        self._tell(status=0)

    def asked(self) -> list[str]:
        """Method and path of every request so far."""
        with urllib.request.urlopen(f"{self.server.endpoint}/_asked", timeout=30) as answer:
            told: list[str] = json.load(answer)
        return told

    def _tell(self, **trouble: object) -> None:
        request = urllib.request.Request(
            f"{self.server.endpoint}/_trouble", json.dumps(trouble).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=30).close()


@contextmanager
def troubled(server: BucketServer) -> Iterator[Troubled]:
    """Something in front of `server`, which is well behaved until it is told otherwise."""
    command = [sys.executable, "-m", "tests.fakes.trouble", server.endpoint]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        endpoint = process.stdout.readline().strip() if process.stdout else ""
        yield Troubled(server=replace(server, endpoint=endpoint, pid=process.pid))
    finally:
        process.kill()
        process.wait(timeout=10)
