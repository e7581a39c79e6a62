"""A job on this machine is its driver and a process that writes down how that ended; either may be killed alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pressrun.compute import Handle, SparkJob, State, local
from pressrun.compute.local import LocalPlatform
from tests.compute.worlds import submit


@pytest.fixture
def platform(tmp_path: Path) -> LocalPlatform:
    return LocalPlatform(tmp_path / "jobs")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[SparkJob]:
    """One whose driver, and a process group that it starts as Spark's workers do, would go on for long."""
    program = tmp_path / "entry.py"
    program.write_text(
        "import os, pathlib, subprocess, sys, time\n"
        f"home = pathlib.Path({str(tmp_path)!r})\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "worker = subprocess.Popen(command, process_group=0)\n"
        "(home / f'began-{worker.pid}').touch()\n"
        "(home / f'began-{os.getpid()}-driver').touch()\n"
        "time.sleep(60)\n"
    )
    yield SparkJob(name="waits", entry=str(program))
    for process in began(tmp_path):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def began(folder: Path) -> list[psutil.Process]:
    """The drivers and workers that still run."""
    pids = [int(file.name.split("-")[1]) for file in folder.glob("began-*")]
    found = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


@pytest.fixture
def orphaned(platform: LocalPlatform, job: SparkJob, tmp_path: Path) -> Handle:
    """A job of which the kernel has killed the process that waits for the driver."""
    handle = submit(platform, job, "pressrun-a")
    assert within(20, lambda: len(began(tmp_path)) == 2)
    waits = json.loads((tmp_path / "jobs" / handle.job_id / "pid.json").read_text())["pid"]
    os.kill(waits, signal.SIGKILL)
    assert within(5, lambda: not psutil.pid_exists(waits) or psutil.Process(waits).status() == psutil.STATUS_ZOMBIE)
    return handle


def test_a_driver_that_nobody_waits_for_is_ended_before_its_job_is_told_as_failed(
    platform: LocalPlatform, orphaned: Handle, tmp_path: Path
) -> None:
    seen = platform.state(orphaned)
    assert (seen.state, seen.failure) == (State.FAILED, "platform")
    assert began(tmp_path) == []


def test_what_a_driver_has_left_may_end_by_itself_before_its_job_is_told_as_ended(
    platform: LocalPlatform, tmp_path: Path
) -> None:
    program = tmp_path / "entry.py"
    cleans_up = f"import pathlib, time; time.sleep(0.5); pathlib.Path({str(tmp_path)!r}, 'clean').touch()"
    program.write_text(f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {cleans_up!r}])\n")
    handle = submit(platform, SparkJob(name="leaves", entry=str(program)), "pressrun-a")
    assert within(20, lambda: platform.state(handle).state.ended)
    assert platform.state(handle).state is State.SUCCEEDED
    assert (tmp_path / "clean").exists()


def test_what_a_killed_driver_has_left_is_ended_before_its_job_is_told_as_failed(
    platform: LocalPlatform, job: SparkJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = submit(platform, job, "pressrun-a")
    assert within(20, lambda: len(began(tmp_path)) == 2)
    driver = next(tmp_path.glob("began-*-driver"))
    os.kill(int(driver.name.split("-")[1]), signal.SIGKILL)
    monkeypatch.setattr(local, "_LEAVES_WITHIN", 0.2)
    assert within(5, lambda: platform.state(handle).state.ended)
    assert (platform.state(handle).state, platform.state(handle).failure) == (State.FAILED, "job")
    assert began(tmp_path) == []


def test_cancelling_ends_a_driver_that_nobody_waits_for(
    platform: LocalPlatform, orphaned: Handle, tmp_path: Path
) -> None:
    platform.cancel(orphaned)
    assert began(tmp_path) == []
    assert platform.state(orphaned).state is State.CANCELLED


def test_cancelling_ends_what_the_driver_has_started_in_groups_of_their_own(
    platform: LocalPlatform, job: SparkJob, tmp_path: Path
) -> None:
    handle = submit(platform, job, "pressrun-a")
    assert within(20, lambda: len(began(tmp_path)) == 2)
    platform.cancel(handle)
    assert began(tmp_path) == []
    assert platform.state(handle).state is State.CANCELLED


def test_another_jobs_processes_are_left_alone(
    platform: LocalPlatform, orphaned: Handle, job: SparkJob, tmp_path: Path
) -> None:
    other = submit(platform, job, "pressrun-b")
    assert within(20, lambda: len(began(tmp_path)) == 4)
    platform.state(orphaned)
    assert len(began(tmp_path)) == 2
    assert platform.state(other).state is State.RUNNING
    platform.cancel(other)
