"""This machine: a job is a process of its own, which outlives whoever started it.

Submit-once by a lock: the process itself takes it, writes down its id and when it was created (an id alone is given to
another process later), and leaves a job alone that was started before. Any of a job's processes may be killed alone,
as the kernel does when memory runs out: before a job is told as ended, what is left of it is ended, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from filelock import FileLock, Timeout

from pressrun.compute.platform import Handle, JobState, PlatformFailed, PollingFailed, SparkJob, State

_STARTS_WITHIN = 20.0
_ENDS_WITHIN = 10.0
# Spark's JVM notices that its driver is gone, and puts its logs and folders in order.
_LEAVES_WITHIN = 10.0
# A variable that all of a job's processes have.
_MARK = "PRESSRUN_LOCAL_JOB"
# The exit status of a driver in whose place another was started: pressrun.driver.SUPERSEDED.
_SUPERSEDED = 75


class LocalPlatform:
    """Jobs in folders below `root`, one a token."""

    name = "local"

    def __init__(self, root: Path) -> None:
        self._root = root

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        return {"entry": job.entry, "arguments": list(job.arguments), "brought": [*job.packages, *job.files]}

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        folder = self._root / token
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "job.json", request)
        with (folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "pressrun.compute.local", str(folder)]
            marked = {**os.environ, _MARK: token}
            subprocess.Popen(
                command, env=marked, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while self.find(token) is None:
            if time.monotonic() > deadline:
                hint = f"See {folder / 'log'}; a retry starts it again"
                raise PlatformFailed(f"the job's process did not begin within {_STARTS_WITHIN:.0f} s", hint=hint)
            time.sleep(0.02)
        return self._handle(token)

    def find(self, token: str) -> Handle | None:
        return self._handle(token) if (self._root / token / "pid.json").is_file() else None

    def state(self, handle: Handle) -> JobState:
        folder, logs = self._root / handle.job_id, str(self._root / handle.job_id / "log")
        if not (folder / "pid.json").is_file():
            return JobState(state=State.UNKNOWN, logs=logs)
        alive = _process(folder) is not None
        ended = _read(folder / "exit.json")
        if _leaving(folder) if ended else alive:
            return JobState(state=State.RUNNING, logs=logs)
        _end(folder)
        if (folder / "cancelled").exists():
            return JobState(state=State.CANCELLED, logs=logs)
        return _ended(ended, logs)

    def cancel(self, handle: Handle) -> None:
        folder = self._root / handle.job_id
        if (folder / "exit.json").exists() or not _processes(folder):
            return
        (folder / "cancelled").touch()
        _end(folder)

    def remove(self, handle: Handle) -> None:
        """Deletes the job's folder, and its log with it."""
        folder = self._root / handle.job_id
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def page(self, handle: Handle) -> str:
        return ""

    def _handle(self, token: str) -> Handle:
        return Handle(platform=self.name, job_id=token)


def _ended(ended: Mapping[str, Any] | None, logs: str) -> JobState:
    if ended is None:
        hint = "Somebody or the kernel (out of memory) has killed it; a retry starts it again"
        return JobState(state=State.FAILED, detail="its process is gone", failure="platform", hint=hint, logs=logs)
    if ended["status"] == 0:
        return JobState(state=State.SUCCEEDED, logs=logs)
    if ended["status"] == _SUPERSEDED:
        return JobState(state=State.CANCELLED, detail="another job has taken its place", logs=logs)
    detail = f"its driver ended with status {ended['status']}"
    return JobState(state=State.FAILED, detail=detail, failure="job", hint="Read the last lines of its log", logs=logs)


def _process(folder: Path) -> psutil.Process | None:
    """The job's process while it runs: the one with its id that was created when it was."""
    known = _read(folder / "pid.json")
    try:
        process = psutil.Process(known["pid"]) if known else None
        if process is None or process.create_time() != known["created"]:  # type: ignore[index]
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _processes(folder: Path) -> list[psutil.Process]:
    """All that run of the job: of its session, in which groups of their own stay, and marked as its."""
    known = _read(folder / "pid.json")
    return [process for process in psutil.process_iter() if _belongs(process, folder, known["pid"])] if known else []


def _belongs(process: psutil.Process, folder: Path, session: int) -> bool:
    try:
        ours = os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
        return ours and process.environ().get(_MARK) == folder.name
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


def _leaving(folder: Path) -> bool:
    """Whether something of a job whose driver has ended still runs, and may end by itself."""
    since = time.time() - (folder / "exit.json").stat().st_mtime
    return since < _LEAVES_WITHIN and bool(_processes(folder))


def _end(folder: Path) -> None:
    deadline = time.monotonic() + _ENDS_WITHIN
    while left := _processes(folder):
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in left)
            raise PollingFailed(f"processes of the job do not end: {pids}", hint="Look at them; a retry goes on")
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.02)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _write(file: Path, told: Mapping[str, Any]) -> None:
    part = file.with_name(f"{file.name}.{uuid4().hex}")
    part.write_text(json.dumps(told), encoding="utf-8")
    part.replace(file)


def run_job(folder: Path) -> None:
    """The job's own process: runs its driver, once, however many processes are asked to."""
    try:
        with FileLock(folder / "lock", timeout=0):
            if not (folder / "pid.json").exists():
                _write(folder / "pid.json", {"pid": os.getpid(), "created": psutil.Process().create_time()})
                _write(folder / "exit.json", {"status": _drive(folder)})
    except Timeout:
        return


def _drive(folder: Path) -> int:
    job = _read(folder / "job.json")
    assert job is not None
    place = folder / "files"
    place.mkdir(exist_ok=True)
    for file in job["brought"]:
        (place / Path(file).name).symlink_to(file)
    return subprocess.run([sys.executable, job["entry"], *job["arguments"]], cwd=place, check=False).returncode


if __name__ == "__main__":
    run_job(Path(sys.argv[1]))
