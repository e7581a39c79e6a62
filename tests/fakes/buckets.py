"""Buckets for tests: a server of each kind a test process, and a way to make it misbehave.

`s3_server` and `gcs_server` start one; `bucket_server` is the session's, started when it is first asked for and ended
with the session, so that each worker of pytest-xdist has its own. `troubled` stands before a server and spoils answers.
"""

from __future__ import annotations

import atexit
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pressrun.buckets import BucketServer, gcs_server, s3_server
from pressrun.buckets.running import body_of
from pressrun.buckets.servers import Kind

__all__ = ["BucketServer", "Trouble", "Troubled", "bucket_server", "gcs_server", "new_root", "s3_server", "troubled"]

_running = ExitStack()
atexit.register(_running.close)


@cache
def bucket_server(kind: Kind) -> BucketServer:
    """This test process's server of that kind."""
    return _running.enter_context(s3_server() if kind == "s3" else gcs_server())


def new_root(server: BucketServer) -> str:
    """The address of an empty lake in a bucket of its own."""
    return server.make_bucket(f"lake-{uuid4().hex[:16]}") + "/lake"


Answer = tuple[int, dict[str, str], bytes]
Trouble = Callable[[str, str, bytes], Answer | None]
"""Given method, path and body, what is answered instead of asking the server; None: nothing is wrong."""


@dataclass
class Troubled:
    """A server behind something that may spoil its answers. `asked` holds what was asked: method and path."""

    server: BucketServer
    trouble: Trouble = field(default=lambda method, path, body: None)
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def troubled(server: BucketServer) -> Iterator[Troubled]:
    """Something in front of `server` at an address of its own, which is its `server`'s `endpoint`."""
    made = Troubled(server=server)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made, urlsplit(server.endpoint).netloc))
    listener.daemon_threads = True
    made.server = replace(server, endpoint=f"http://127.0.0.1:{listener.server_address[1]}")
    threading.Thread(target=lambda: listener.serve_forever(poll_interval=0.05), daemon=True).start()
    try:
        yield made
    finally:
        listener.shutdown()
        listener.server_close()


_HOP = ("expect", "transfer-encoding", "content-length", "connection")


def _handler(made: Troubled, behind: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _obey(self) -> None:
            body = body_of(self)
            made.asked.append((self.command, self.path))
            self._send(*(made.trouble(self.command, self.path, body) or self._asked(body)))

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _obey  # noqa: N815

        def _asked(self, body: bytes) -> Answer:
            connection = http.client.HTTPConnection(behind, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answer = response.status, dict(response.getheaders()), response.read()
            connection.close()
            return answer

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "date", "content-length"):
                    self.send_header(name, value)
            length = {name.lower(): value for name, value in headers.items()}.get("content-length")
            if status not in (204, 304):
                self.send_header("Content-Length", str(length if self.command == "HEAD" and length else len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def handle_expect_100(self) -> bool:
            """The client waits for this line with its body; what is buffered would come a second late."""
            told = super().handle_expect_100()
            self.wfile.flush()
            return told

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
