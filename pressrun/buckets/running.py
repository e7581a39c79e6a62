"""What both servers do when they are run: options, readiness, and ending with whoever started them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler


def options() -> argparse.Namespace:
    """`port` (0: a free one), `bucket` (one to begin with) and `until_input_ends`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bucket", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-input-ends", action="store_true")
    return parser.parse_args()


def announce(endpoint: str) -> None:
    """Says that the server answers at this address."""
    print(endpoint, flush=True)


def end_with_starter(given: argparse.Namespace, leave: Callable[[], None] = lambda: None) -> None:
    """Ends this process on SIGTERM or SIGINT and, if asked, once standard input ends; `leave` is called before."""

    def end(*_: object) -> None:
        leave()
        os._exit(0)

    def watch() -> None:
        sys.stdin.read()
        end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if given.until_input_ends:
        threading.Thread(target=watch, daemon=True).start()


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """The whole body of a request, whether it says its length or comes in chunks (RFC 9112, section 7.1)."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    parts = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    while request.rfile.readline().strip():
        continue
    return b"".join(parts)
