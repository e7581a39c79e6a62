"""Buckets over the wire, as far as fetching needs: S3's and Google's ways to list a prefix and to read an object."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    objects: dict[str, bytes]
    answers: list[int]  # statuses to answer with before the right ones

    def do_GET(self) -> None:
        parts, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if self.answers:
            return self._answer(self.answers.pop(0), b"")
        prefix = asked.get("prefix", [""])[0]
        names = [name for name in self.objects if name.startswith(prefix)]
        if "list-type" in asked:
            return self._answer(200, self._s3_list(names), "application/xml")
        if parts.path.endswith("/o"):
            return self._answer(200, self._google_list(names), "application/json")
        name = unquote(parts.path).split("/o/")[-1] if "/o/" in parts.path else unquote(parts.path).split("/", 2)[-1]
        return self._answer(200, self.objects[name])

    do_HEAD = do_GET  # noqa: N815 -- the base class's name

    def _s3_list(self, names: list[str]) -> bytes:
        rows = "".join(f"<Contents><Key>{escape(n)}</Key><Size>{len(self.objects[n])}</Size></Contents>" for n in names)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()

    def _google_list(self, names: list[str]) -> bytes:
        items = [{"name": n, "bucket": "models", "size": str(len(self.objects[n]))} for n in names]
        return json.dumps({"kind": "storage#objects", "items": items}).encode()

    def _answer(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", kind)
        self.send_header("last-modified", formatdate(usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def bucket_of(folder: Path, *, prefix: str, answers: list[int] | None = None) -> Iterator[str]:
    """The address of a service whose only bucket, `models`, has the folder's files below `prefix`."""
    objects = {f"{prefix}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    handler = type("Handler", (_Handler,), {"objects": objects, "answers": list(answers or [])})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
