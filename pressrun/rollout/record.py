"""The record of a model's rollouts: a file, written whole, each write preconditioned on the version that was read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.rollout.types import RolloutRecord

MOST_EVENTS, MOST_OUTCOMES = 400, 100


class StaleRecord(Exception):
    """The record changed since it was read; read it again and decide anew."""


class UnreadableRecord(Exception):
    """A record that this version of Pressrun cannot read; a retry helps once the version that wrote it runs again."""


def _unreadable(path: Path, error: ValueError) -> str:
    said = "; ".join(str(error).splitlines()[1:3])
    return f"{path} was written by another version of Pressrun ({said}); run that version, or move the file away"


class RecordStore:
    """The records below `<environment.home>/rollouts`."""

    def __init__(self, environment: Environment) -> None:
        self.root = environment.home / "rollouts"

    def models(self) -> list[str]:
        """The models that have a record."""
        return sorted(path.parent.name for path in self.root.glob("*/record.json"))

    def read(self, model: str) -> RolloutRecord | None:
        """The record as it was last written, or None."""
        try:
            text = self._path(model).read_text()
        except FileNotFoundError:
            return None
        try:
            return RolloutRecord.model_validate_json(text)
        except ValueError as error:
            raise UnreadableRecord(_unreadable(self._path(model), error)) from error

    def write(self, record: RolloutRecord, *, expected: int) -> RolloutRecord:
        """Writes `record` if the file still has version `expected` (0: no file yet). Raises StaleRecord if not."""
        with self._locked(record.model):
            present = self.read(record.model)
            version = present.version if present else 0
            if version != expected:
                raise StaleRecord(f"the record of {record.model} has version {version}, expected was {expected}")
            return self._put(record, version + 1)

    def update(self, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord:
        """Reads, changes and writes under the lock; `change` must be pure. Writes nothing when nothing changed."""
        with self._locked(model):
            present = self.read(model) or RolloutRecord(model=model)
            changed = change(present)
            return present if changed == present else self._put(changed, present.version + 1)

    def _put(self, record: RolloutRecord, version: int) -> RolloutRecord:
        bounded = {"history": record.history[-MOST_EVENTS:], "outcomes": record.outcomes[-MOST_OUTCOMES:]}
        written = record.model_copy(update={"version": version, **bounded})
        write_durably(self._path(record.model), written.model_dump_json(indent=1).encode())
        return written

    def _path(self, model: str) -> Path:
        return self.root / model / "record.json"

    @contextmanager
    def _locked(self, model: str) -> Iterator[None]:
        folder = self.root / model
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "record.lock", "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def write_durably(path: Path, content: bytes) -> None:
    """Replaces `path` in one step; after that a power cut does not lose it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
