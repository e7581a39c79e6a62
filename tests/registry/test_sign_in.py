"""An MLflow that wants a user and a password: they are sent, and never shown."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pressrun.config.environment import Environment, Mlflow
from pressrun.registry import RegistryError
from pressrun.registry.tracking import answering, connect

USER, PASSWORD = "ann", "s3cret/of@registry"
SIGNED_IN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Guarded(BaseHTTPRequestHandler):
    """Healthy for who is signed in; everything else fails on the way, as behind a broken proxy."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == SIGNED_IN
        self.send_response(401 if not known else 200 if self.path.endswith("/health") else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def guarded(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """An environment whose tracking_uri signs in to such a server."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    uri = f"http://{USER}:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:{server.server_port}"
    yield environment.model_copy(update={"mlflow": Mlflow(tracking_uri=uri)})
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_password_reaches_mlflow_and_no_log_or_error(
    guarded: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(guarded)
    with pytest.raises(RegistryError, match="does not answer") as caught, answering(guarded):
        client.search_experiments()
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "404" in shown, "the server knew the user: its answer is 404, not 401"
    assert not any(secret in shown for secret in (PASSWORD, "s3cret", SIGNED_IN.split()[1]))
