"""Stages that a process of its own may be told to run in place of `ingest`, by `PRESSRUN_TEST_STAGE`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pressrun.lake.types import StageResult
from pressrun.step import Step
from pressrun.training import TrainingError


def told(step: Step) -> StageResult:
    """Says how it runs."""
    step.progress("counting", 2, 5)
    print("a line of the log")
    facts = {
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "airflow": [name for name in os.environ if name.startswith("AIRFLOW_")],
        "pid": os.getpid(),
        "placed": step.placed,
        "database": step.environment.database,
    }
    return StageResult(stage="ingest", step_key=str(step.key), facts=facts)


def greedy(step: Step) -> StageResult:
    """Takes memory until somebody stops it."""
    held = []
    for _ in range(200):
        held.append(bytearray(20 * 2**20))
        time.sleep(0.01)
    return told(step)


def endless(step: Step) -> StageResult:
    """Never ends, and neither does what it has started; both say who they are."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    (Path(step.environment.home) / "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(300)
    return told(step)


def refuses(step: Step) -> StageResult:
    raise TrainingError("two topics at least need labels")


def stumbles(step: Step) -> StageResult:
    raise KeyError("title")


def killed(step: Step) -> StageResult:
    print("last words", flush=True)
    os.kill(os.getpid(), 9)
    return told(step)
