"""An API that hangs, is overloaded or says something else is told as what it is, also where kinds are looked up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client

from pressrun.rollout.kubernetes import cluster as clusters
from pressrun.rollout.kubernetes.cluster import ClusterApi, Refused, Unreachable


class Says:
    """What every path answers."""

    status, body, waits = 503, b"{}", 0.0


@pytest.fixture
def says() -> Says:
    return Says()


@pytest.fixture
def api(says: Says, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterApi]:
    monkeypatch.setattr(clusters, "TIMEOUT", 0.3)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(says.waits)
            self.send_response(says.status)
            self.send_header("content-length", str(len(says.body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(says.body)

        def log_message(self, *given: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_address[1]}"
    configuration.retries = False
    yield ClusterApi(client.ApiClient(configuration), "news")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_api_that_is_overloaded_or_restarts_passes(api: ClusterApi, says: Says, status: int) -> None:
    says.status = status
    with pytest.raises(Unreachable, match=f"answered {status}"):
        api.get("Pod", "p")


@pytest.mark.parametrize("status", [401, 403])
def test_an_api_that_does_not_know_us_refuses(api: ClusterApi, says: Says, status: int) -> None:
    says.status = status
    with pytest.raises(Refused, match=f"answered {status}"):
        api.find("Pod", {})


def test_an_api_that_takes_the_question_and_never_answers_holds_nobody_up(api: ClusterApi, says: Says) -> None:
    says.waits = 1.0
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer"):
        api.get("Pod", "p")
    assert time.monotonic() - began < 0.9


def test_a_page_in_the_apis_place_is_no_api(api: ClusterApi, says: Says) -> None:
    says.status, says.body = 200, b"<html>sign in</html>"
    with pytest.raises(Unreachable):
        api.get("Pod", "p")
