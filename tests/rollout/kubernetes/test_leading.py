"""One controller leads at a time, by a Lease over HTTP; the seconds are a tenth of the real ones or so."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes import client

from pressrun.rollout.kubernetes import leading
from pressrun.rollout.kubernetes.leading import Leading

LEASE, RENEW, RETRY = 2, 1.0, 0.1


class LeaseApi:
    """The Lease API as far as an election asks it: writes are refused over another version."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away, self.hangs = set[str](), False
        self.holders: list[tuple[float, str]] = []
        self._lock, self._versions = threading.Lock(), itertools.count(1)
        api = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self, lambda body: (404, {}) if api.lease is None else (200, api.lease))

            def do_POST(self) -> None:
                api.answer(self, lambda body: (409, {}) if api.lease else (201, api.written(body)))

            def do_PUT(self) -> None:
                api.answer(self, api.replaced)

            def log_message(self, *given: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def client(self, name: str) -> client.ApiClient:
        configuration = client.Configuration()
        configuration.host = f"http://127.0.0.1:{self._server.server_address[1]}"
        configuration.retries = False
        found = client.ApiClient(configuration)
        found.default_headers["x-who"] = name
        return found

    def answer(self, request: BaseHTTPRequestHandler, act: Callable[[dict[str, Any]], tuple[int, Any]]) -> None:
        body = json.loads(request.rfile.read(int(request.headers.get("content-length") or 0)) or b"{}")
        if request.headers["x-who"] in self.away:
            time.sleep(9 if self.hangs else 0)
            status, said = 503, {}
        else:
            with self._lock:
                status, said = act(body)
        text = json.dumps(said).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def written(self, body: dict[str, Any]) -> dict[str, Any]:
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(next(self._versions))}}
        self.holders.append((time.monotonic(), body["spec"]["holderIdentity"]))
        return self.lease

    def replaced(self, body: dict[str, Any]) -> tuple[int, Any]:
        assert self.lease is not None
        if body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]:
            return 409, {}
        return 200, self.written(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Config:
    """The client's own, which takes no seconds this short."""

    def __init__(self, *given: Any) -> None:
        self.lock, self.lease_duration, self.renew_deadline, self.retry_period = given[:4]
        self.onstarted_leading, self.onstopped_leading = given[4:]


def over(*given: object) -> None:
    """A thread of an election has no end of its own."""
    threading.Event().wait()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LeaseApi]:
    for name, seconds in (("LEASE_SECONDS", LEASE), ("RENEW_SECONDS", RENEW), ("RETRY_SECONDS", RETRY)):
        monkeypatch.setattr(leading, name, seconds)
    monkeypatch.setattr(leading, "Config", Config)
    found = LeaseApi()
    yield found
    found.close()


@pytest.fixture
def begin(api: LeaseApi) -> Iterator[Callable[[str], Leading]]:
    begun: list[Leading] = []

    def one(name: str) -> Leading:
        begun.append(Leading(api.client(name), name="controller", namespace="news", identity=name))
        return begun[-1]

    yield one
    for each in begun:
        each._lock.get = over  # type: ignore[assignment]


def until(holds: Callable[[], object], seconds: float = 8.0) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic()


def test_one_of_several_leads_and_goes_on_leading(api: LeaseApi, begin: Callable[[str], Leading]) -> None:
    controllers = [begin(name) for name in "abc"]
    until(lambda: any(one.leads for one in controllers))
    for _ in range(100):
        assert sum(one.leads for one in controllers) == 1
        time.sleep(0.02)
    assert len({holder for _, holder in api.holders}) == 1
    assert api.lease is not None
    assert api.lease["spec"]["leaseDurationSeconds"] >= 1


@pytest.mark.parametrize("hangs", [False, True])
def test_a_leader_that_does_not_reach_the_api_stops_before_another_may_begin(
    api: LeaseApi, begin: Callable[[str], Leading], hangs: bool
) -> None:
    first = begin("a")
    until(lambda: first.leads)
    second = begin("b")
    time.sleep(3 * RETRY)
    api.hangs = hangs
    api.away.add("a")
    cut = time.monotonic()
    stopped = until(lambda: not first.leads)
    assert not second.leads
    assert stopped - cut <= RENEW + RETRY
    began = until(lambda: second.leads)
    assert began > stopped
    assert not first.leads
    api.away.clear()
    time.sleep(3 * RETRY)
    assert second.leads
    assert not first.leads


def test_a_leader_whose_api_was_away_leads_again(api: LeaseApi, begin: Callable[[str], Leading]) -> None:
    only = begin("a")
    until(lambda: only.leads)
    api.away.add("a")
    until(lambda: not only.leads)
    api.away.clear()
    until(lambda: only.leads)


def test_no_two_ever_lead_at_once_whoever_is_cut_off(api: LeaseApi, begin: Callable[[str], Leading]) -> None:
    controllers = {name: begin(name) for name in "ab"}
    for number in range(4):
        cut = "ab"[number % 2]
        api.away = {cut}
        until_time = time.monotonic() + (0.4 if number % 3 else 2.0)
        while time.monotonic() < until_time:
            assert sum(one.leads for one in controllers.values()) <= 1
            time.sleep(0.005)
    api.away = set()
    until(lambda: any(one.leads for one in controllers.values()))


def test_a_lease_that_somebody_made_empty_is_taken(api: LeaseApi, begin: Callable[[str], Leading]) -> None:
    api.lease = {"metadata": {"name": "controller", "resourceVersion": "0"}, "spec": {}}
    only = begin("a")
    until(lambda: only.leads)


def test_a_lease_that_was_deleted_is_made_again(api: LeaseApi, begin: Callable[[str], Leading]) -> None:
    only = begin("a")
    until(lambda: only.leads)
    api.lease = None
    until(lambda: api.lease is not None)
    until(lambda: only.leads)
