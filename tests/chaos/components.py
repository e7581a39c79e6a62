"""Airflow's components as a cluster runs them: each one that ends is started again, and none ends with another.

A component whose name is a file in the folder `away` of Airflow's home stays away until the file is removed. Run in
place of `pressrun.demo.airflow_components`; variables that begin with CHAOS__ are laid over those without it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pressrun.demo.airflow_components import COMPONENTS

LAID_OVER = "CHAOS__"


def main() -> None:
    """Runs until SIGTERM, and ends every component then."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.environ.update({n.removeprefix(LAID_OVER): v for n, v in os.environ.items() if n.startswith(LAID_OVER)})
    home = Path(os.environ["AIRFLOW_HOME"])
    (home / "away").mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while True:
            _keep(home, running)
            time.sleep(0.5)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(timeout=20)


def _keep(home: Path, running: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, *options in COMPONENTS:
        gone = name not in running or running[name].poll() is not None
        if gone and not (home / "away" / name).exists():
            running[name] = subprocess.Popen([sys.executable, "-m", "airflow", name, *options])
            _tell(home / "components.json", {name: process.pid for name, process in running.items()})


def _tell(file: Path, pids: dict[str, int]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(pids))
    part.replace(file)


if __name__ == "__main__":
    main()
