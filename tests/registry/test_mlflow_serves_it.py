"""MLflow's own server answers with a registered version as ours does: the bundle is a model like any other to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from pressrun.bundle import load_bundle
from pressrun.config.environment import Environment
from tests.registry.test_registry import registered, small_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TEXTS = ["a late goal", "shares fall", "nothing known"]


def test_mlflow_models_serve_gives_the_same_probabilities(environment: Environment, tmp_path: Path) -> None:
    small_bundle(tmp_path / "bundle")
    reference = registered(environment, tmp_path / "bundle", "dag/night 1/train/-1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    around = {**os.environ, "MLFLOW_TRACKING_URI": environment.mlflow.tracking_uri, "PATH": path}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/topics/{reference.version}",
               "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    with (tmp_path / "mlflow.log").open("w") as log:
        server = subprocess.Popen(command, env=around, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", server, tmp_path / "mlflow.log")
            frame = {"columns": ["text"], "data": [[text] for text in TEXTS]}
            answer = httpx.post(
                f"http://127.0.0.1:{port}/invocations", json={"dataframe_split": frame}, timeout=30
            ).json()
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)
    bundle = load_bundle(tmp_path / "bundle")
    found = [[row[label] for label in bundle.labels] for row in answer["predictions"]]
    for row, expected in zip(found, bundle.scores(TEXTS).tolist(), strict=True):
        assert row == pytest.approx(expected, abs=1e-9)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise AssertionError(log.read_text()[-3000:])
