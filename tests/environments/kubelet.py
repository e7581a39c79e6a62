"""Runs the containers of a fake cluster's pods as processes of this machine, as their manifests say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.pods import FakePods

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def kubelet(fake: FakePods, folder: Path) -> Iterator[list[str]]:
    """Starts each new pod once; yields the files of their logs."""
    stop, logs, processes = threading.Event(), [], {}  # type: ignore[var-annotated]

    def look() -> None:
        while not stop.is_set():
            with fake.lock:
                for name in set(fake.pods) - set(processes):
                    logs.append(str(folder / f"{name}.log"))
                    processes[name] = _started(fake.pods[name], folder / f"{name}.log", folder)
                for name, process in processes.items():
                    if name in fake.pods and process.poll() is not None:
                        code = process.returncode
                        fake.end(name, "Succeeded" if code == 0 else "Failed", code)
                    elif name not in fake.pods:
                        process.kill()
            time.sleep(0.1)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield logs
    finally:
        stop.set()
        thread.join()
        for process in processes.values():
            process.kill()


def _started(pod: dict[str, Any], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    container = pod["spec"]["containers"][0]
    told = {one["name"]: one["value"] for one in container["env"]} | {"HOME": str(folder)}
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    # The image's own packages are this machine's.
    command = [sys.executable, *container["command"][1:]]
    with log.open("wb") as file:
        env = {**kept, **told, "PYTHONPATH": str(REPOSITORY), "MLFLOW_DISABLE_TELEMETRY": "true"}
        return subprocess.Popen(command, cwd=folder, env=env, stdout=file, stderr=file)
