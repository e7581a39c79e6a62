"""Loads bundles in children that die alone: what they opened, ran, took and said comes back.

Run as a program it waits for folders on its input, and forks for each, so that a test pays for no imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60.0
_RAN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "socket.connect",
    "ctypes.dlopen",
)
_BESIDE = ("/proc/", "/sys/", "/dev/null", "/etc/localtime")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """`error` is empty when it loaded; `taken` is bytes of memory at the most, over what Python had."""

    error: str
    kind: str
    taken: int
    opened: list[str]
    ran: list[str]
    seconds: float


@contextlib.contextmanager
def attempting() -> Iterator[Any]:
    """Gives a function from a folder (and a digest) to what came of loading it."""
    command = [sys.executable, "-m", "tests.bundle.attempts"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout

        def attempt(folder: Path, *, digest: str | None = None) -> Attempt:
            assert server.stdin
            assert server.stdout
            server.stdin.write(json.dumps([str(folder), digest]) + "\n")
            server.stdin.flush()
            return Attempt(**json.loads(server.stdout.readline()))

        yield attempt
        server.stdin.close()


def _memory(line: str) -> int:
    for found in Path("/proc/self/status").read_text().splitlines():
        if found.startswith(line):
            return int(found.split()[1]) * 1024
    raise LookupError(line)


def _load(folder: str, digest: str | None, told: int) -> None:
    """In the child: loads, and tells."""
    from pressrun.bundle import load_bundle
    from pressrun.bundle.manifest import MAX_MEMORY

    opened: list[str] = []
    ran: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.abspath(arguments[0])
            own = path.startswith((os.path.abspath(folder), sys.prefix, sys.base_prefix, os.getcwd() + "/", *_BESIDE))
            opened.extend([] if own else [path])
        elif event in _RAN:
            ran.append(f"{event} {arguments[:1]}"[:200])

    sys.addaudithook(watch)
    before, started = _memory("VmRSS"), time.monotonic()
    limit = _memory("VmSize") + 6 * 2**30
    assert limit < MAX_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    error = kind = ""
    try:
        load_bundle(folder, digest=digest)
    except BaseException as raised:
        error, kind = str(raised), type(raised).__name__
    found = {"error": error, "kind": kind, "taken": _memory("VmHWM") - before, "opened": opened, "ran": ran}
    os.write(told, json.dumps({**found, "seconds": time.monotonic() - started}).encode())


def _attempt(folder: str, digest: str | None) -> dict[str, Any]:
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            for said in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), said)
            _load(folder, digest, tell)
        os._exit(0)
    os.close(tell)
    said = b""
    end = time.monotonic() + SECONDS
    while select.select([hear], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(hear, 65536)
        if not part:
            break
        said += part
    else:
        os.kill(child, signal.SIGKILL)
    os.close(hear)
    _, status = os.waitpid(child, 0)
    if said:
        return dict(json.loads(said))
    return {
        "error": f"status {status}",
        "kind": "crash or hang",
        "taken": 0,
        "opened": [],
        "ran": [],
        "seconds": SECONDS,
    }


def main() -> None:
    import onnx
    import onnxruntime

    import pressrun.bundle.onnx_graph
    import pressrun.bundle.trees

    assert onnx
    assert onnxruntime
    pressrun.bundle.trees._library()
    for line in sys.stdin:
        print(json.dumps(_attempt(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
