"""A process that has imported everything and forks: what dies is real, and costs no second of imports.

The template reads one request a line on its standard input, forks a child for it in a session of its own, and tells
on its standard output how each child ended.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


class Template:
    """The template as its parent sees it; `fork` may be called from any thread."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), *modules]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **QUIET, "PYTHONPATH": paths, **(env or {})},
        )
        self._lock, self._number = threading.Lock(), 0
        self._born: dict[int, Future[int]] = {}
        self._ended: dict[int, Future[int]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def fork(self, call: str, given: Mapping[str, Any], *, log: Path) -> Child:
        """Runs `module:function(**given)` in a child; what it prints goes to `log`."""
        assert self._process.stdin is not None
        with self._lock:
            self._number += 1
            number = self._number
            born, ended = self._born[number], self._ended[number] = Future(), Future()
            request = {"number": number, "call": call, "given": dict(given), "log": str(log)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return Child(pid=born.result(600), ended=ended)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            waiting = self._born if "pid" in told else self._ended
            waiting.pop(told["number"]).set_result(told.get("pid", told.get("status")))

    def __enter__(self) -> Template:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


class Child:
    """A forked process. `wait` gives its exit status, negative for a signal."""

    def __init__(self, *, pid: int, ended: Future[int]) -> None:
        self.pid, self._ended = pid, ended

    def wait(self, seconds: float = 1800) -> int:
        """Raises TimeoutError, the whole group killed, for one that does not end."""
        try:
            return self._ended.result(seconds)
        except TimeoutError:
            self.kill()
            raise

    def ended(self, seconds: float) -> bool:
        try:
            self._ended.result(seconds)
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """SIGTERM, and SIGKILL for what has not ended a while later."""
        if not self._ended.done():
            os.kill(self.pid, signal.SIGTERM)
            if not self.ended(30):
                self.kill()

    def kill(self) -> None:
        """SIGKILL to the child and all that it has started."""
        if not self._ended.done():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def serve(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    wake, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(alarm)
    children: dict[int, int] = {}
    stdin, rest = sys.stdin.fileno(), b""
    while True:
        ready, _, _ = select.select([stdin, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(children)
        if stdin in ready:
            if not (read := os.read(stdin, 1 << 16)):
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                _fork(json.loads(line), children)


def _fork(request: dict[str, Any], children: dict[int, int]) -> None:
    pid = os.fork()
    if not pid:
        _child(request)
    children[pid] = request["number"]
    _tell({"number": request["number"], "pid": pid})


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _tell({"number": children.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def _tell(told: Mapping[str, int]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _child(request: dict[str, Any]) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    empty = os.open(os.devnull, os.O_RDONLY)
    for file, at in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(file, at)
    status = 1
    try:
        module, _, name = request["call"].partition(":")
        called: Callable[..., object] = getattr(importlib.import_module(module), name)
        called(**request["given"])
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1:])
