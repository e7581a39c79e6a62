"""A noisy neighbour: takes the processor away from one process again and again, so that it answers slowly.

Nothing in the model or the server knows of it: what it does to the canary has to be found out from the traffic.
"""

from __future__ import annotations

import signal
import threading
from types import TracebackType

import psutil


class NoisyNeighbour:
    """Within its `with`, the process `pid` is stopped for `pause` of every `period` seconds."""

    def __init__(self, pid: int, *, pause: float = 0.5, period: float = 0.6) -> None:
        self._process = psutil.Process(pid)
        self._pause, self._period = pause, period
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._disturb, daemon=True)

    def __enter__(self) -> NoisyNeighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        self._thread.join()

    def _disturb(self) -> None:
        try:
            while not self._leave.is_set():
                self._process.send_signal(signal.SIGSTOP)
                self._leave.wait(self._pause)
                self._process.send_signal(signal.SIGCONT)
                self._leave.wait(self._period - self._pause)
        except psutil.NoSuchProcess:
            return
