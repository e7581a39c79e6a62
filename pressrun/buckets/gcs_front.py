"""Google's XML API over a server that speaks its JSON API only; requests of the JSON API pass through as they are.

Documented at https://cloud.google.com/storage/docs/xml-api/reference-methods and .../reference-headers. What is here is
what object stores' clients use: objects with preconditions, ranges, copies, multipart uploads, and lists of version 2.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from uuid import uuid4
from xml.sax.saxutils import escape

from pressrun.buckets.gcs_xml import Answer, contents, document, error, etag_of, headers_of, refused
from pressrun.buckets.running import body_of

_JSON_API = re.compile(r"^/(storage/v1|upload/|download/|batch/|resumable/|_internal/|b/|b\?|b$)")
_PRECONDITIONS = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
}


class Front(ThreadingHTTPServer):
    """The front; `connect` opens a connection to the server behind it."""

    daemon_threads = True
    request_queue_size = 64
    connect: Callable[[], http.client.HTTPConnection]

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._local = threading.local()

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """The answer of the server behind; the connection of this thread is kept."""
        connection = getattr(self._local, "connection", None) or self.connect()
        self._local.connection = connection
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except (http.client.HTTPException, OSError):
            self._local.connection = None
            connection.close()
            raise


def front(port: int) -> Front:
    """A front on that port of the loopback address (0: a free one), not yet serving."""
    return Front(port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Front

    def _obey(self) -> None:
        body = body_of(self)
        try:
            answer = self._passed_on(body) if _JSON_API.match(self.path) else self._translated(body)
        except (http.client.HTTPException, OSError) as failed:
            answer = error(503, f"the server behind does not answer: {failed}", "ServiceUnavailable")
        self._send(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _obey  # noqa: N815

    def _passed_on(self, body: bytes) -> Answer:
        hop = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
        return self.server.ask(self.command, self.path, {**headers, "Host": self.headers["Host"]}, body)

    def _translated(self, body: bytes) -> Answer:
        split = urlsplit(self.path)
        bucket, _, name = unquote(split.path).lstrip("/").partition("/")
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        if not name:
            return _listed(self.server, bucket, query) if self.command == "GET" else error(400, "no such method")
        return _of_object(self, bucket, name, query, body)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        skipped = {"transfer-encoding", "connection", "date", "content-length"}
        for header, value in answer.headers.items():
            if header.lower() not in skipped:
                self.send_header(header, value)
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        if answer.status not in (204, 304):
            self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(answer.body)

    def handle_expect_100(self) -> bool:
        """The client waits for this line with its body; what is buffered would come a second late."""
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def log_message(self, format: str, *args: Any) -> None:
        return


def _of_object(request: _Handler, bucket: str, name: str, query: dict[str, str], body: bytes) -> Answer:
    method, server = request.command, request.server
    if "uploads" in query or "uploadId" in query:
        return _multipart(request, bucket, name, query, body)
    if method in ("GET", "HEAD"):
        return _read(request, bucket, name, query)
    if method == "PUT" and "x-goog-copy-source" in request.headers:
        return _copied(request, bucket, name)
    if method == "PUT":
        kind = request.headers.get("Content-Type", "application/octet-stream")
        return _written(server, bucket, name, body, kind=kind, conditions=_conditions(request))
    if method == "DELETE":
        found = server.ask("GET", _object(bucket, name))
        unmet = _unmet(request, json.loads(found.body)) if found.status == 200 else None
        if unmet is not None:
            return unmet
        answer = server.ask("DELETE", _object(bucket, name))
        return Answer(204) if answer.status in (200, 204) else refused(answer)
    return error(400, f"no method {method} of an object")


def _written(server: Front, bucket: str, name: str, body: bytes, *, kind: str, conditions: dict[str, str]) -> Answer:
    """Sent as two parts: the server behind minds preconditions there, and not in simple uploads."""
    boundary, about = uuid4().hex, json.dumps({"name": name, "contentType": kind})
    parts = [f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{about}\r\n".encode()]
    parts += [f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode(), body, f"\r\n--{boundary}--\r\n".encode()]
    query = urlencode({"uploadType": "multipart", **conditions})
    target = f"/upload/storage/v1/b/{quote(bucket, safe='')}/o?{query}"
    answer = server.ask("POST", target, {"Content-Type": f"multipart/related; boundary={boundary}"}, b"".join(parts))
    return Answer(200, headers_of(json.loads(answer.body))) if answer.status == 200 else refused(answer)


def _copied(request: _Handler, bucket: str, name: str) -> Answer:
    source, _, old = unquote(request.headers["x-goog-copy-source"]).lstrip("/").partition("/")
    if conditions := _conditions(request):
        # The server behind minds no conditions of copies, so the copy is written as if it came from outside.
        content = request.server.ask("GET", f"/download{_object(source, old)}?alt=media")
        if content.status != 200:
            return refused(content)
        kind = "application/octet-stream"
        return _written(request.server, bucket, name, content.body, kind=kind, conditions=conditions)
    target = f"{_object(source, old)}/rewriteTo{_object(bucket, name).removeprefix('/storage/v1')}"
    answer = request.server.ask("POST", target)
    if answer.status != 200:
        return refused(answer)
    made = json.loads(answer.body)["resource"]
    told = f"<LastModified>{made['updated']}</LastModified><ETag>{escape(etag_of(made))}</ETag>"
    return document("CopyObjectResult", told, headers=headers_of(made))


def _read(request: _Handler, bucket: str, name: str, query: dict[str, str]) -> Answer:
    generation = {"generation": query["generation"]} if "generation" in query else {}
    found = request.server.ask("GET", f"{_object(bucket, name)}?{urlencode(generation)}")
    if found.status != 200:
        return refused(found)
    about = json.loads(found.body)
    if (unmet := _unmet(request, about)) is not None:
        return unmet
    headers = headers_of(about) | {"Content-Type": about.get("contentType", "application/octet-stream")}
    if request.command == "HEAD":
        return Answer(200, headers | {"Content-Length": str(about["size"]), "Accept-Ranges": "bytes"})
    return _content(request, bucket, name, about, headers)


def _content(request: _Handler, bucket: str, name: str, about: dict[str, Any], headers: dict[str, str]) -> Answer:
    query = urlencode({"alt": "media", "generation": about["generation"]})
    wanted = {"Range": request.headers["Range"]} if "Range" in request.headers else {}
    answer = request.server.ask("GET", f"/download{_object(bucket, name)}?{query}", wanted)
    if answer.status == 416:
        return error(416, "The requested range cannot be satisfied.", "InvalidRange")
    if answer.status not in (200, 206):
        return refused(answer)
    ranged = {name: value for name, value in answer.headers.items() if name.lower() == "content-range"}
    return Answer(answer.status, headers | ranged, answer.body)


def _unmet(request: _Handler, about: dict[str, Any]) -> Answer | None:
    """What is answered when the object is not as the reader's conditions want it."""
    tag, given = etag_of(about), request.headers
    if "If-Match" in given and given["If-Match"] not in (tag, "*"):
        return error(412, "At least one of the pre-conditions you specified did not hold.")
    if "If-None-Match" in given and given["If-None-Match"] in (tag, "*"):
        return Answer(304, {"ETag": tag})
    wanted = given.get("x-goog-if-generation-match")
    if wanted is not None and wanted != str(about["generation"]):
        return error(412, "At least one of the pre-conditions you specified did not hold.")
    return None


def _multipart(request: _Handler, bucket: str, name: str, query: dict[str, str], body: bytes) -> Answer:
    """Parts are kept here until the upload is completed: the server behind has no multipart uploads."""
    uploads, method = request.server.uploads, request.command
    if "uploads" in query:
        started = uuid4().hex
        uploads[started] = {}
        told = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(name)}</Key><UploadId>{started}</UploadId>"
        return document("InitiateMultipartUploadResult", told)
    parts = uploads.get(query["uploadId"])
    if parts is None:
        return error(404, "The requested upload was not found.", "NoSuchUpload")
    if method == "PUT":
        parts[int(query["partNumber"])] = body
        return Answer(200, {"ETag": f'"part-{query["partNumber"]}"'})
    del uploads[query["uploadId"]]
    if method == "DELETE":
        return Answer(204)
    return _completed(request, bucket, name, b"".join(parts[number] for number in sorted(parts)))


def _completed(request: _Handler, bucket: str, name: str, whole: bytes) -> Answer:
    made = _written(
        request.server, bucket, name, whole, kind="application/octet-stream", conditions=_conditions(request)
    )
    if made.status != 200:
        return made
    told = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(name)}</Key><ETag>{escape(made.headers['ETag'])}</ETag>"
    return document("CompleteMultipartUploadResult", told, headers=made.headers)


def _listed(server: Front, bucket: str, query: dict[str, str]) -> Answer:
    names = {"prefix": "prefix", "delimiter": "delimiter", "max-keys": "maxResults", "continuation-token": "pageToken"}
    wanted = {json_name: query[name] for name, json_name in names.items() if name in query}
    after = query.get("start-after", "")
    if after:
        wanted["startOffset"] = after
    answer = server.ask("GET", f"/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode(wanted)}")
    if answer.status != 200:
        return error(404, "The specified bucket does not exist.", "NoSuchBucket")
    page = json.loads(answer.body)
    # JSON's startOffset is where to begin, XML's start-after what comes before.
    items = [item for item in page.get("items", []) if not after or item["name"] > after]
    return document("ListBucketResult", contents(bucket, query, page, items))


def _object(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"


def _conditions(request: _Handler) -> dict[str, str]:
    return {name: request.headers[header] for header, name in _PRECONDITIONS.items() if header in request.headers}
