"""Processes that die or race: one server imports everything once and forks them, where fresh ones would cost seconds.

There is one server a test process, and it imports what the first who starts it names: hence one list for all.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

_READY = "ready-"
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pressrun.ingest", "pressrun.sampling.duck", "pressrun.labeling", "pressrun.training", "mlflow", "tests.night"]
)


def together(target: Callable[..., Any], given: Collection[tuple[Any, ...]], *, start: Path) -> None:
    """Runs a process for each of the arguments to its good end; they wait for each other by `await_start`."""
    processes = [FORKS.Process(target=target, args=args) for args in given]
    for process in processes:
        process.start()
    while len(list(start.parent.glob(f"{_READY}*"))) < len(processes):
        assert all(process.is_alive() for process in processes)
        time.sleep(0.002)
    start.touch()
    for process in processes:
        process.join(timeout=250)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def await_start(start: Path, name: str) -> None:
    """What the process of that name does before what all shall do at once."""
    start.with_name(f"{_READY}{name}").touch()
    while not start.exists():
        time.sleep(0.001)
