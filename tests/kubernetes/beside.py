"""What a cluster under test needs beside it: images of candidates that go wrong, and an MLflow that pods reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen


def faulty_image(server: str, fault: str, *, tool: str = "buildah --storage-driver overlay") -> str:
    """The server's image with a fault such as `crash:60`, built and handed to the cluster."""
    name = f"localhost/pressrun-faulty:{fault.replace(':', '-')}"
    here = Path(__file__).parent / "faulty"
    build = [*tool.split(), "bud", "-q", "--isolation", "chroot", "--pull-never", "-t", name]
    subprocess.run(
        [*build, "--build-arg", f"SERVER={server}", "--build-arg", f"FAULT={fault}", str(here)],
        check=True, capture_output=True,
    )  # fmt: skip
    cluster = Path(__file__).parents[1] / "cluster" / "cluster"
    subprocess.run([str(cluster), "load", name], check=True, capture_output=True)
    return name


@dataclass
class Mlflows:
    """A real MLflow that pods reach by the host's address in the cluster; it can be stopped and started."""

    home: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        at = urlsplit(self.url)
        options = [
            "--host", str(at.hostname), "--port", str(at.port), "--backend-store-uri", f"sqlite:///{self.home}/mlflow.db",
            "--artifacts-destination", str(self.home / "artifacts"), "--workers", "1", "--allowed-hosts", "*",
        ]  # fmt: skip
        with open(self.home / "mlflow.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *options], stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if urlopen(f"{self.url}/health", timeout=2).status == 200:
                    return
            except OSError:
                time.sleep(0.3)
        raise AssertionError((self.home / "mlflow.log").read_text()[-2000:])

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, 15)
            self.process.wait(20)
            self.process = None


def kill_container(pod: dict[str, Any], container: str) -> None:
    """SIGKILL for a container's first process, found on this node by its cgroup."""
    statuses = pod["status"]["containerStatuses"]
    number = next(each for each in statuses if each["name"] == container)["containerID"].rpartition("/")[2]
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and number in _cgroup(entry)]
    os.kill(min(found), signal.SIGKILL)


def _cgroup(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except OSError:
        return ""
