"""Stands between a task and its stage's process: ends it when the task is gone, or when it takes too much memory.

`python guard.py ANSWER_FD MEMORY_BYTES MODULE`, run by the stage's own interpreter as the leader of a process group of
its own; nothing but the standard library is imported. Its first line of input is handed on to `python -P -m MODULE`.
The end of its input is the end of the task, however that came: then the whole group is killed, workers of libraries
among it. Memory is what the group holds of the machine's (PSS, as a pod's limit counts it), looked at five times a
second where Linux tells it; elsewhere it is not held. Its last word, {"exit", "memory", "too_much"}, goes to ANSWER_FD.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

_LOOK_AGAIN = 0.2


def main() -> None:
    """Runs the stage to its end; kills itself last, with all that the stage has left behind."""
    answers, limit, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    order = sys.stdin.buffer.readline()
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(answers)],
        stdin=subprocess.PIPE,
        pass_fds=(answers,),
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    )
    assert worker.stdin is not None
    try:
        worker.stdin.write(order)
        worker.stdin.close()
    except BrokenPipeError:
        pass
    told = watch(worker, limit)
    os.write(answers, (json.dumps(told) + "\n").encode())
    os.killpg(0, signal.SIGKILL)


def watch(worker: subprocess.Popen[bytes], limit: int) -> dict[str, object]:
    """Waits for the worker's end, the task's end, or too much memory (`limit` bytes; 0: as much as it likes)."""
    most = 0
    while worker.poll() is None:
        if ended(_LOOK_AGAIN if limit else 1.0, worker):
            os.killpg(0, signal.SIGKILL)
        most = max(most, memory(os.getpgrp()) if limit else 0)
        if limit and most > limit:
            worker.kill()
            return {"exit": worker.wait(), "memory": most, "too_much": True}
    return {"exit": worker.returncode, "memory": most, "too_much": False}


def ended(seconds: float, worker: subprocess.Popen[bytes]) -> bool:
    """Whether the task has gone within so many seconds; sooner back when the worker ends."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and worker.poll() is None:
        if select.select([sys.stdin], [], [], min(left, 0.05))[0]:
            return not os.read(sys.stdin.fileno(), 4096)
    return False


def memory(group: int) -> int:
    """Bytes that the processes of a group hold; 0 where it is not told."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return 0
    return sum(_held(pid) for pid in pids if _group(pid) == group)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _held(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            found = re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()
