"""A server that answers by path, for whoever asks it over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Any | Callable[[dict[str, Any]], Any]


@contextmanager
def answering(answers: Mapping[str, Answer], *, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Its address. An answer is a document, a text, or a function of the request's document; other paths are 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            asked = self.rfile.read(length)
            path = self.path.partition("?")[0].rstrip("/")
            found = answers.get(path)
            if callable(found):
                found = found(json.loads(asked or b"{}"))
            body = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(404 if path not in answers else 200)
            kind = "text/plain" if isinstance(found, str) else "application/json"
            for name, value in {"content-length": str(len(body)), "content-type": kind, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 -- the base class's name

        def log_message(self, *given: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
