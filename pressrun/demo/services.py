"""Long-lived processes of the demo: started, waited for, and ended by their id, whatever ended the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil


class ServiceError(RuntimeError):
    """A service did not come up. The message ends with the last lines of its log and where the whole log is."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process to run: `ready` is asked until it says yes or `patience` seconds have passed."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 180.0


def answers(url: str) -> Callable[[], bool]:
    """A readiness probe: the address answers with a status below 500."""

    def probe() -> bool:
        try:
            return httpx.get(url, timeout=3.0).status_code < 500
        except httpx.HTTPError:
            return False

    return probe


class Services:
    """Starts services in process groups of their own and remembers them in `home`, so that a next run can clean up."""

    def __init__(self, *, home: Path) -> None:
        self.logs = home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._ledger = home / "processes.json"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, service: Service) -> None:
        """Starts the service without waiting for it."""
        with (self.logs / f"{service.name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                list(service.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **service.environment},
                start_new_session=True,
            )
        self._running[service.name] = process
        self._remember()

    def wait(self, service: Service) -> float:
        """Waits until the service is ready; returns the seconds that took. Raises ServiceError."""
        started = time.monotonic()
        while not service.ready():
            if self._running[service.name].poll() is not None:
                raise ServiceError(
                    f"{service.name} ended with {self._running[service.name].returncode}. {self.tail(service.name)}"
                )
            if time.monotonic() - started > service.patience:
                raise ServiceError(
                    f"{service.name} was not ready after {service.patience:.0f} s. {self.tail(service.name)}"
                )
            time.sleep(0.25)
        return time.monotonic() - started

    def pid_of(self, name: str) -> int:
        """The process id of a service that was started."""
        return self._running[name].pid

    def tail(self, name: str, lines: int = 12) -> str:
        """The last lines of the service's log, and where all of it is."""
        log = self.logs / f"{name}.log"
        last = "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
        return f"Last lines of {log}:\n{last}"

    def stop(self) -> None:
        """Ends every service, newest first, and waits until all of their processes are gone.

        An impatient second Ctrl-C does not interrupt this: it would leave what it was meant to end.
        """
        with _undisturbed():
            for process in reversed(self._running.values()):
                end_tree(process.pid)
                process.wait()
            self._running.clear()
            self._ledger.unlink(missing_ok=True)

    def clean_up_after_crash(self) -> int:
        """Ends what an earlier demo in this home left running; returns how many services that were."""
        if not self._ledger.exists():
            return 0
        left = [entry for entry in json.loads(self._ledger.read_text()) if _same_process(entry)]
        for entry in left:
            end_tree(int(entry["pid"]))
        self._ledger.unlink()
        return len(left)

    def _remember(self) -> None:
        entries = [
            {"name": name, "pid": p.pid, "started": psutil.Process(p.pid).create_time()}
            for name, p in self._running.items()
            if p.poll() is None
        ]
        self._ledger.write_text(json.dumps(entries))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait; only the main thread may say so, and only it is sent them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _same_process(entry: Mapping[str, object]) -> bool:
    try:
        return bool(psutil.Process(int(str(entry["pid"]))).create_time() == entry["started"])
    except psutil.NoSuchProcess:
        return False


def end_tree(pid: int, patience: float = 20.0) -> None:
    """Asks the process and all below it to end, then ends them. The tree is read first: orphans keep no parent."""
    try:
        root = psutil.Process(pid)
        tree = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    _signal([root], signal.SIGTERM)
    _, alive = psutil.wait_procs([root], timeout=patience)
    _signal([p for p in tree if p not in alive], signal.SIGTERM)
    _, alive = psutil.wait_procs(tree, timeout=5)
    _signal(alive, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=5)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
