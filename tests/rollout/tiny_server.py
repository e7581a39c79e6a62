"""An Open Inference Protocol server of the standard library alone: a rollout works on any such server, and fast."""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("bundle")
for name in ("host", "port", "model", "version", "digest", "arm", "generation", "spool", "server-id", "parent"):
    parser.add_argument(f"--{name}")
GIVEN = parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer({"ready": True})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        title = request["inputs"][0]["data"][0]
        self.answer(
            {
                "model_name": GIVEN.model,
                "model_version": GIVEN.version,
                "outputs": [{"name": "label", "datatype": "BYTES", "shape": [1], "data": [title.split()[0]]}],
            }
        )

    def answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


ThreadingHTTPServer((GIVEN.host, int(GIVEN.port)), Handler).serve_forever()
