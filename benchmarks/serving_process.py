"""A server in processes of its own, on one core: started, timed to its first right answer, weighed and ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SERVER_CORE, GENERATOR_CORE = 0, 1
HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 180.0, 15.0, 30.0
# Between two looks whether the server answers yet: what a cold start is known to.
_LOOK_EVERY = 0.005
MEGABYTE = 1 << 20


class ServerFailed(RuntimeError):
    """The server ended, never answered or answered wrongly; its output says why."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs. `cold_start` is the seconds from the start of its process to its first right answer."""

    port: int
    pid: int
    cold_start: float

    def processes(self) -> list[psutil.Process]:
        return _family(self.pid)

    def memory_mb(self) -> float:
        """Proportional set size of all its processes: shared pages are counted once."""
        return sum(_pss(process.pid) for process in self.processes()) / MEGABYTE

    def cpu_seconds(self) -> float:
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def busy_seconds() -> float:
    """What both cores have worked so far, for whomever."""
    cores = psutil.cpu_times(percpu=True)
    both = (cores[core] for core in (SERVER_CORE, GENERATOR_CORE))
    return sum(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice for times in both)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def ask(port: int, path: str, body: str) -> Any:
    """The JSON that a POST is answered. Raises OSError or http.client.HTTPException, ValueError for any but 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"{answer.status}: {content[:300]!r}")
    return json.loads(content)


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], *, port: int, log: Path, is_right: Callable[[], bool]
) -> Iterator[Server]:
    """The server, once `is_right` says that it answers rightly. Raises ServerFailed; ends all its processes at the end.

    `is_right` raises OSError, HTTPException or ValueError as long as there is no answer.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(SERVER_CORE), *command], env={**os.environ, **environment},
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        _until_right(process, is_right, log)
        yield Server(port=port, pid=process.pid, cold_start=time.perf_counter() - start)
    finally:
        end(process)


def _until_right(process: subprocess.Popen[bytes], is_right: Callable[[], bool], log: Path) -> None:
    deadline, seen = time.monotonic() + START_SECONDS, "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"ended with {process.returncode} before it answered: {_tail(log)}")
        try:
            if is_right():
                return
            raise ServerFailed("answers wrongly")
        except (OSError, http.client.HTTPException, ValueError) as error:
            seen = f"{type(error).__name__}: {error}"
        time.sleep(_LOOK_EVERY)
    raise ServerFailed(f"no right answer within {START_SECONDS:.0f} s ({seen}): {_tail(log)}")


def _tail(log: Path) -> str:
    return f"{log}\n{log.read_text(encoding='utf-8', errors='replace')[-1500:]}"


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, time to drain, then SIGKILL for whatever of its processes is left."""
    family = _family(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    # Whoever it left behind is still in the session that it was started in.
    _, left = psutil.wait_procs({*family, *_session(process.pid)}, timeout=2)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(STOP_SECONDS)


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def _session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == leader:
                found.append(process)
    return found
