"""A local server that speaks the part of Kubernetes' API with pods and quotas.

It is held against the models of its Python client.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import urlsplit

from kubernetes import client

from tests.fakes.loopback import on_loopback

Trouble = Literal["throttled", "lost", "expired", "denied"]
_CODES = {"throttled": (429, "TooManyRequests"), "expired": (401, "Unauthorized"), "denied": (403, "Forbidden")}
_PATH = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+))?")
_QUOTAS = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/resourcequotas")


@dataclass
class FakePods:
    """One cluster. `troubles` holds, by HTTP method, what happens to its next calls.

    `quotas` are the ResourceQuotas of each namespace.
    `driver` starts a new pod's work for real, given the manifest: what tells its phase and reason, and what ends it.
    """

    url: str = ""
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    quotas: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    driver: Callable[[str, Any], tuple[Callable[[], tuple[str, str]], Callable[[], None]]] | None = None
    working: dict[str, tuple[Callable[[], tuple[str, str]], Callable[[], None]]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def client(self) -> client.ApiClient:
        """A signed-in client."""
        configuration = client.Configuration()
        configuration.host, configuration.retries = self.url, False
        return client.ApiClient(configuration)

    def obey(
        self, method: str, namespace: str, name: str | None, body: dict[str, Any], *, dry: bool = False
    ) -> tuple[int, dict[str, Any]]:
        if method == "POST":
            return self._create(namespace, body, dry=dry)
        pod = self.pods.get(name or "")
        if pod is None:
            return _status(404, "NotFound", f'pods "{name}" not found')
        if method == "DELETE":
            self._end_work(name or "")
            del self.pods[name or ""]
        return 200, self._looked_at(name or "", pod)

    def listed(self, namespace: str) -> tuple[int, dict[str, Any]]:
        """Its quotas."""
        items = [{"apiVersion": "v1", "kind": "ResourceQuota", **one} for one in self.quotas.get(namespace, [])]
        told = {"apiVersion": "v1", "kind": "ResourceQuotaList", "metadata": {}, "items": items}
        api = client.ApiClient()
        read = api.deserialize(SimpleNamespace(data=json.dumps(told)), "V1ResourceQuotaList")
        assert api.sanitize_for_serialization(read) == told
        return 200, told

    def _end_work(self, name: str) -> None:
        if name in self.working:
            self.working.pop(name)[1]()

    def _looked_at(self, name: str, pod: dict[str, Any]) -> dict[str, Any]:
        if name in self.working:
            phase, why = self.working[name][0]()
            if phase == "Running":
                pod["status"] = {"phase": phase}
            else:
                self.end(name, phase, code=1 if why else 0)
                del self.working[name]
        return pod

    def _create(self, namespace: str, body: dict[str, Any], *, dry: bool) -> tuple[int, dict[str, Any]]:
        api = client.ApiClient()
        known = api.sanitize_for_serialization(api.deserialize(SimpleNamespace(data=json.dumps(body)), "V1Pod"))
        name = body["metadata"]["name"]
        if known != body or not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            return _status(422, "Invalid", f"not a Pod: {sorted(body)}")
        if name in self.pods:
            return _status(409, "AlreadyExists", f'pods "{name}" already exists')
        if dry:
            return 201, body
        self.created.append(name)
        made = {**body, "status": {"phase": "Pending"}}
        made["metadata"] = {**body["metadata"], "namespace": namespace, "creationTimestamp": _now()}
        self.pods[name] = made
        if self.driver:
            self.working[name] = self.driver("pod", body)
        return 201, made

    def end(self, name: str, phase: str, code: int = 0, **status: Any) -> None:
        """What the kubelet reports."""
        terminated = {"exitCode": code, "reason": status.pop("why", "Completed" if code == 0 else "Error")}
        told = {"name": "d", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
        told["state"] = {"terminated": terminated}
        self.pods[name]["status"] = {"phase": phase, "containerStatuses": [told], **status}

    def wait(self, name: str, reason: str, *, since: datetime) -> None:
        """A container that does not start."""
        told = {"name": "d", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        told["state"] = {"waiting": {"reason": reason, "message": "Back-off pulling image"}}
        self.pods[name]["status"] = {"phase": "Pending", "containerStatuses": [told]}
        self.pods[name]["metadata"]["creationTimestamp"] = since.isoformat()


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return code, {**told, "code": code, "details": {"kind": "pods"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _answer(self) -> None:
        fake: FakePods = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        found, quotas = (path.fullmatch(urlsplit(self.path).path) for path in (_PATH, _QUOTAS))
        verb = {"POST": "create", "GET": "get", "DELETE": "delete"}[self.command]
        with fake.lock:
            fake.calls.append("list resourcequotas" if quotas else f"{verb} pods")
            waiting = fake.troubles.get(self.command, [])
            trouble = waiting.pop(0) if waiting else None
            if found is None and not (quotas and verb == "get"):
                return self._send(*_status(404, "NotFound", f"{self.path}: no such resource"))
            if trouble in _CODES:
                return self._send(*_status(*_CODES[trouble], "trouble"))  # type: ignore[index]
            if quotas:
                return self._send(*fake.listed(quotas["namespace"]))
            assert found is not None
            dry = "dryRun=All" in urlsplit(self.path).query
            told = fake.obey(self.command, found["namespace"], found["name"], body, dry=dry)
        if trouble == "lost":
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        return self._send(*told)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def _send(self, code: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        with suppress(OSError):
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *given: object) -> None: ...


@contextmanager
def fake_pods() -> Iterator[FakePods]:
    """The server on a free port of this machine's loopback."""
    fake = FakePods()
    with on_loopback(_Handler, fake) as address:
        fake.url = f"http://{address}"
        yield fake
