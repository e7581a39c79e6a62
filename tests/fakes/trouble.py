"""`python -m tests.fakes.trouble ADDRESS`: stands before a store and spoils some of its answers, as it is told.

It is a process of its own: deltalake keeps the interpreter's lock while it waits for some answers, so whoever answers
must be another interpreter. POST /_trouble with {status, code, message, matching, seconds, times} spoils the answers to
requests whose "METHOD path" matches, and with {unheeded} keeps headers from the store; GET /_asked tells what was
asked.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from pressrun.buckets.running import announce, body_of

Answer = tuple[int, dict[str, str], bytes]
_HOP = ("expect", "transfer-encoding", "content-length", "connection", "date")


@dataclass
class Trouble:
    """What is answered, to which requests, and for how long; `status` 0: nothing but that headers are `unheeded`."""

    status: int = 0
    code: str = ""
    message: str = ""
    matching: str = ""
    seconds: float = 1e9
    times: int = 1_000_000_000
    unheeded: tuple[str, ...] = ()
    since: float = field(default_factory=time.monotonic)

    def answer(self, request: str) -> Answer | None:
        over = time.monotonic() - self.since > self.seconds or self.times <= 0
        if not self.status or over or not re.search(self.matching, request):
            return None
        self.times -= 1
        told = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        body = b"" if request.startswith("HEAD") else f"<?xml version='1.0' encoding='UTF-8'?>{told}".encode()
        return self.status, {"Content-Type": "application/xml"}, body


class Before(ThreadingHTTPServer):
    """The server that stands before the one at `behind`."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.trouble, self.asked = behind, Trouble(), list[str]()
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Before

    def _obey(self) -> None:
        body, request = body_of(self), f"{self.command} {self.path}"
        if self.path == "/_trouble":
            self.server.trouble = Trouble(**json.loads(body))
            answer: Answer = 200, {}, b""
        elif self.path == "/_asked":
            answer = 200, {}, json.dumps(self.server.asked).encode()
        else:
            answer = self._spoilt(request) or self._asked(body)
        self._send(*answer)

    def _spoilt(self, request: str) -> Answer | None:
        with self.server.lock:
            self.server.asked.append(request)
            return self.server.trouble.answer(request)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _obey  # noqa: N815

    def _asked(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.server.behind, timeout=60)
        unheeded = self.server.trouble.unheeded
        headers = {name: value for name, value in _kept(dict(self.headers)).items() if name.lower() not in unheeded}
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return answer

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in _kept(headers).items():
            self.send_header(name, value)
        told = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
        if status not in (204, 304):
            self.send_header("Content-Length", told if self.command == "HEAD" and told else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def log_message(self, format: str, *args: Any) -> None:
        return


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


def main() -> None:
    server = Before(urlsplit(sys.argv[1]).netloc)
    threading.Thread(target=lambda: sys.exit(server.shutdown() if sys.stdin.read() == "" else 0), daemon=True).start()
    announce(f"http://127.0.0.1:{server.server_address[1]}")
    server.serve_forever()


if __name__ == "__main__":
    main()
