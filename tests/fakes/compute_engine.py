"""A local server that tells a region's and a project's quotas as Compute Engine's API does over REST.

It is held against Google's discovery document of that API, as google-api-python-client brings it: paths, parameters and
answers are checked by it. What a client of google-cloud-compute reads of an answer is its own message.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1 as api
from google.cloud.compute_v1.services.projects.transports import ProjectsRestTransport
from google.cloud.compute_v1.services.regions.transports import RegionsRestTransport

from tests.fakes.loopback import on_loopback

Trouble = Literal["throttled", "expired", "broken", "denied", "disabled"]
_TROUBLES = {
    "throttled": (429, "rateLimitExceeded", "Rate Limit Exceeded"),
    "expired": (401, "authError", "Request had invalid authentication credentials"),
    "broken": (503, "backendError", "Internal error. Please try again"),
    "denied": (403, "forbidden", "Required '{right}' permission for 'projects/news-prod'"),
    "disabled": (403, "accessNotConfigured", "Compute Engine API has not been used in project news-prod before"),
}
_SERVED = ("regions", "projects")
_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "number": (int, float), "integer": int}


@dataclass
class FakeCompute:
    """The project. Quotas are limit and usage by metric; `calls` are the methods asked, by their id.

    `troubles` holds, by method, what happens to its next calls; a `warning` comes in the place of a region's quotas.
    """

    address: str = ""
    region: str = "europe-west1"
    quotas: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {"CPUS": (24.0, 4.0), "N2_CPUS": (24.0, 0.0), "DISKS_TOTAL_GB": (4096.0, 500.0)}
    )
    of_all_regions: dict[str, tuple[float, float]] = field(default_factory=lambda: {"CPUS_ALL_REGIONS": (32.0, 4.0)})
    warning: str = ""
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def regions(self) -> api.RegionsClient:
        return api.RegionsClient(transport=RegionsRestTransport(**self._reached()))

    def projects(self) -> api.ProjectsClient:
        return api.ProjectsClient(transport=ProjectsRestTransport(**self._reached()))

    def _reached(self) -> dict[str, Any]:
        return {"host": self.address, "url_scheme": "http", "credentials": AnonymousCredentials()}  # type: ignore[no-untyped-call]

    def obey(self, method: str, given: dict[str, str]) -> dict[str, Any] | None:
        """None where there is no such thing."""
        if method == "compute.projects.get":
            return {"kind": "compute#project", "name": given["project"], "quotas": _quotas(self.of_all_regions)}
        if given["region"] != self.region:
            return None
        told: dict[str, Any] = {"kind": "compute#region", "name": self.region, "status": "UP", "id": "1"}
        if self.warning:
            return told | {"quotaStatusWarning": {"code": "QUOTA_INFO_UNAVAILABLE", "message": self.warning}}
        return told | {"quotas": _quotas(self.quotas)}


def _quotas(told: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    return [{"metric": metric, "limit": limit, "usage": usage} for metric, (limit, usage) in told.items()]


@cache
def wire() -> Wire:
    return Wire()


class Wire:
    """The discovery document, turned around: from a request to a method, and what an answer must be."""

    def __init__(self) -> None:
        documents = files("googleapiclient.discovery_cache.documents")
        self.document = json.loads((documents / "compute.v1.json").read_text(encoding="utf-8"))
        self.methods = [self.document["resources"][name]["methods"]["get"] for name in _SERVED]

    def read(self, verb: str, path: str, query: str) -> tuple[dict[str, Any], dict[str, str]]:
        for method in self.methods:
            if method["httpMethod"] == verb and (found := re.fullmatch(self._pattern(method), path)):
                known = self.document["parameters"].keys() | method["parameters"].keys()
                unknown = {name.removeprefix("$") for name in parse_qs(query)} - known
                assert not unknown, f"{method['id']} knows no {unknown}"
                return method, found.groupdict()
        raise LookupError(f"{verb} {path}")

    def _pattern(self, method: dict[str, Any]) -> str:
        pattern = re.escape(f"/{self.document['servicePath']}{method['flatPath']}")
        for name in method["parameterOrder"]:
            pattern = pattern.replace(rf"\{{{name}\}}", f"(?P<{name}>{method['parameters'][name]['pattern']})")
        return pattern

    def write(self, method: dict[str, Any], answer: dict[str, Any]) -> bytes:
        self._check(answer, method["response"], method["id"])
        return json.dumps(answer).encode()

    def _check(self, told: Any, shape: dict[str, Any], where: str) -> None:
        if "$ref" in shape:
            shape = self.document["schemas"][shape["$ref"]]
        if shape["type"] == "object":
            assert told.keys() <= shape["properties"].keys(), f"{where}: {told.keys() - shape['properties'].keys()}"
            for name, value in told.items():
                self._check(value, shape["properties"][name], f"{where}.{name}")
        elif shape["type"] == "array":
            for value in told:
                self._check(value, shape["items"], where)
        else:
            assert isinstance(told, _TYPES[shape["type"]]), f"{where} is no {shape['type']}: {told!r}"
            assert told in shape.get("enum", [told]), f"{where} is none of those known: {told!r}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        fake: FakeCompute = self.server.fake
        split = urlsplit(self.path)
        try:
            method, named = wire().read("GET", split.path, split.query)
        except (AssertionError, LookupError) as error:
            return self._fail(400, "invalid", str(error))
        with fake.lock:
            fake.calls.append(method["id"])
            waiting = fake.troubles.get(method["id"], [])
            if waiting:
                status, reason, words = _TROUBLES[waiting.pop(0)]
                return self._fail(status, reason, words.format(right=method["id"]))
            told = fake.obey(method["id"], named)
        if told is None:
            return self._fail(404, "notFound", f"The resource '{split.path.partition('v1/')[2]}' was not found")
        try:
            return self._send(200, wire().write(method, told))
        except AssertionError as error:
            return self._fail(400, "invalid", f"the answer is not in the document: {error}")

    def _fail(self, status: int, reason: str, words: str) -> None:
        listed = [{"message": words, "domain": "global", "reason": reason}]
        self._send(status, json.dumps({"error": {"code": status, "message": words, "errors": listed}}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None: ...


@contextmanager
def fake_compute() -> Iterator[FakeCompute]:
    """The server on a free port of this machine's loopback."""
    fake = FakeCompute()
    with on_loopback(_Handler, fake) as fake.address:
        yield fake
