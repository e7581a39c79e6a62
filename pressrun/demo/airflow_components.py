"""`airflow standalone`, but nothing listens beyond the loopback address.

Standalone also starts two log servers, on every interface; on one machine the UI reads the log files themselves.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import FrameType

COMPONENTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)
PATIENCE_SECONDS = 10


def main() -> int:
    """Makes the database, runs every component, and ends them all when one ends or a signal comes."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    running: list[subprocess.Popen[bytes]] = []
    try:
        subprocess.run(_airflow("db", "migrate"), check=True)  # noqa: S603
        running += [subprocess.Popen(_airflow(*component)) for component in COMPONENTS]  # noqa: S603
        return _first_end(running)
    except (KeyboardInterrupt, subprocess.CalledProcessError) as stopped:
        return 1 if isinstance(stopped, subprocess.CalledProcessError) else 0
    finally:
        _end(running)


def _first_end(running: list[subprocess.Popen[bytes]]) -> int:
    while True:
        for component, process in zip(COMPONENTS, running, strict=True):
            if process.poll() is not None:
                print(f"airflow {component[0]} ended with {process.returncode}", file=sys.stderr, flush=True)
                return 1
        time.sleep(0.5)


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.terminate()
    end = time.monotonic() + PATIENCE_SECONDS
    for process in running:
        try:
            process.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
