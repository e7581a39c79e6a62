"""docker-compose.yml, as far as it can be checked where no image can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
FILE = REPOSITORY / "docker-compose.yml"
SECRETS = {"POSTGRES_PASSWORD": "a", "AIRFLOW_SECRET": "b", "AIRFLOW_FERNET_KEY": "c"}


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text()))


def _has_compose() -> bool:
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="no docker compose here; the other tests parse the file")
def test_compose_accepts_the_file() -> None:
    command = ["docker", "compose", "-f", str(FILE), "config", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **SECRETS})
    assert ended.returncode == 0, ended.stderr


def test_every_part_of_the_stack_is_there(stack: dict[str, Any]) -> None:
    parts = {"postgres", "api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "supervisor"}
    assert parts <= set(stack["services"])


def test_every_service_has_an_image_or_is_built_from_a_file_that_is_there(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        assert service.get("image"), name
        if "build" in service:
            assert (REPOSITORY / service["build"]["dockerfile"]).is_file()


def test_services_wait_for_services_that_are_there(stack: dict[str, Any]) -> None:
    for service in stack["services"].values():
        for other, wait in service.get("depends_on", {}).items():
            healthy = wait["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in stack["services"][other]


def test_volumes_are_declared(stack: dict[str, Any]) -> None:
    used = {v.partition(":")[0] for service in stack["services"].values() for v in service.get("volumes", ())}
    # A path is a folder of this machine, not a volume.
    assert {name for name in used if not name.startswith(".")} == set(stack["volumes"])


def test_nothing_listens_beyond_localhost(stack: dict[str, Any]) -> None:
    ports = [port for service in stack["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_has_a_default() -> None:
    text = FILE.read_text()
    for name in SECRETS:
        assert text.count(f"${{{name}") == text.count(f"${{{name}:?make .env first}}") > 0
