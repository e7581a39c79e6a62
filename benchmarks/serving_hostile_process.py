"""The process of hostile clients, as the benchmark that starts it sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving_hostile_kinds import Order

_CLIENTS = Path(__file__).with_name("serving_hostile_clients.py")
_END_SECONDS = 60.0


class Hostile:
    """A hostile process that is set up; `told` is what came of it once it has ended."""

    def __init__(self, order: Order, log: Path, prefix: Sequence[str] = ()) -> None:
        """Raises RuntimeError when it cannot be set up."""
        with log.open("wb") as complaints:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, str(_CLIENTS)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out, self._log = self._process.stdin, self._process.stdout, log
        try:
            self._in.write(order.line())
            self._in.flush()
            self.told = self._said()
        except BaseException:
            self.kill()
            raise

    def _said(self) -> dict[str, Any]:
        line = self._out.readline()
        if not line:
            complaint = self._log.read_text(encoding="utf-8", errors="replace")[-500:]
            raise RuntimeError(f"the hostile clients ended before their time: {complaint}")
        return dict(json.loads(line))

    def end(self) -> dict[str, Any]:
        """What came of it; of those that have vanished nothing comes any more."""
        if self._process.poll() is None:
            self._in.close()
            self.told = self._said()
            self._process.wait(_END_SECONDS)
        return self.told

    def kill(self) -> None:
        with suppress(OSError):
            self._in.close()
        self._process.kill()
        self._process.wait()
        self._out.close()
