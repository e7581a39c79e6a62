"""The client against a server that is busy, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pressrun.demo import airflow_client
from pressrun.demo.airflow_client import AirflowClient, AirflowError


class Busy(BaseHTTPRequestHandler):
    """Makes a run at the first POST but answers 500, as a locked database does; then says it is there."""

    failures = 1
    asked: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/auth/token":
            return self._say(201, {"access_token": "t"})
        self.asked.append(body["dag_run_id"])
        if len(self.asked) <= self.failures:
            return self._say(500, {"detail": "Database error"})
        return self._say(409, {"detail": "there is such a run"})

    def _say(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowClient]:
    monkeypatch.setattr(airflow_client, "PAUSE_SECONDS", 0.01)
    Busy.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield AirflowClient(f"http://127.0.0.1:{server.server_port}", "admin", "p")
    server.shutdown()


def test_a_run_that_a_busy_server_made_without_saying_so_is_not_made_twice(client: AirflowClient) -> None:
    run = client.trigger("topics_retrain")
    assert Busy.asked == [run, run]


def test_a_server_that_stays_broken_is_told_with_where_its_log_is(
    client: AirflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Busy, "failures", 99)
    with pytest.raises(AirflowError, match=r"answered 500 to POST .*Database error.*logs/airflow\.log"):
        client.trigger("topics_retrain")
    assert len(Busy.asked) == airflow_client.TRIES


def test_a_server_that_is_gone_is_told_as_such(client: AirflowClient) -> None:
    gone = AirflowClient("http://127.0.0.1:9", "admin", "p")
    with pytest.raises(AirflowError, match=r"does not answer GET /api/v2/dags .*logs/airflow\.log"):
        gone.dags()
