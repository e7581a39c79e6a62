"""The prediction log: one line of JSON a prediction, in segments that are handed over whole.

A segment being written ends in `.open`; closing it makes it durable and takes that ending off. Who ships segments may
take an `.open` one too, once its server is dead: a line is written as soon as it is known, so a killed server loses
nothing that it answered. Names are (source, sequence): with them a segment is appended to the lake exactly once. The
lake takes a source's segments in order and an earlier one for what it has: so each run of a server is a source of its
own, and begins another where a segment went astray, which may still return.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO
from uuid import uuid4

import msgspec

OPEN = ".open"
_encode_lines = msgspec.json.Encoder().encode_lines
_log = logging.getLogger(__name__)


def segment_name(source: str, sequence: int) -> str:
    """The file name of one segment; `sequence` counts from 1."""
    return f"{source}-{sequence:010d}.jsonl"


class PredictionLog:
    """Writes predictions to `spool`; a segment ends at `most_rows`, after `most_seconds`, and when closed."""

    def __init__(self, spool: Path, *, server_id: str, most_rows: int = 2000, most_seconds: float = 5.0) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self.spool, self._server_id = spool, server_id
        self._most_rows, self._most_seconds = most_rows, most_seconds
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._at = spool
        self._rows, self._since = 0, 0.0
        self._begin()

    def _begin(self) -> None:
        self.source, self._sequence = f"{self._server_id}-{uuid4().hex[:12]}", 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds `rows`; they outlive this process from here on, and the machine once their segment ends.

        Raises OSError, with none of them added.
        """
        lines = _encode_lines(rows)
        with self._lock:
            _append(self._opened(), lines)
            self._rows += len(rows)
            # The rows are in it. That it cannot be ended yet is told by the next tick.
            with suppress(OSError):
                self._end_if_due()

    def tick(self) -> None:
        """Ends the segment when its time is over. Call it about once a second."""
        with self._lock:
            self._end_if_due()

    def close(self) -> None:
        """Ends the segment."""
        with self._lock:
            self._end()

    def _opened(self) -> BinaryIO:
        """The segment's file. Who removes or moves the spool leaves one that takes rows and shows them nobody."""
        if self._file is not None and not _is_at(self._at, self._file):
            self._forget(self._file)
        return self._file or self._start()

    def _forget(self, file: BinaryIO) -> None:
        _log.warning("the log's segment %s is gone; its %s rows are shipped if it returns", self._at, self._rows)
        file.close()
        self._file = None
        self._begin()

    def _start(self) -> BinaryIO:
        at = self.spool / (segment_name(self.source, self._sequence + 1) + OPEN)
        self._file, self._at = at.open("ab", buffering=0), at
        self._sequence, self._rows, self._since = self._sequence + 1, 0, time.monotonic()
        return self._file

    def _end_if_due(self) -> None:
        if self._rows >= self._most_rows or time.monotonic() - self._since >= self._most_seconds:
            self._end()

    def _end(self) -> None:
        if self._file is None:
            return
        if not _is_at(self._at, self._file):
            self._forget(self._file)
            return
        os.fsync(self._file.fileno())
        os.replace(self._at, self._at.with_suffix(""))
        self._file.close()
        self._file = None
        _sync_folder(self.spool)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _append(file: BinaryIO, content: bytes) -> None:
    """All of it or nothing: half a line in the midst of a segment would keep it, and all after it, out of the lake."""
    before, left = os.fstat(file.fileno()).st_size, memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        os.ftruncate(file.fileno(), before)
        raise


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
