"""Answers kept on disk the moment they are there, so that a retry neither pays again nor mixes two answers."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pressrun.config.room import room
from pressrun.labeling.types import Answer


class StagedAnswers:
    """The answers of one labeler in one step; a JSON line each, the first one for an article stands."""

    def __init__(self, folder: Path, *, labeler: str) -> None:
        digest = hashlib.sha256(labeler.encode()).hexdigest()[:16]
        self._path = folder / f"answers-{digest}.jsonl"
        self._known = dict(_read(self._path))

    def __contains__(self, article_id: object) -> bool:
        return article_id in self._known

    def __getitem__(self, article_id: str) -> tuple[Answer, datetime]:
        return self._known[article_id]

    def keep(self, answer: Answer) -> None:
        """Durable once this returns. A second answer for the same article is dropped. Raises DiskFull."""
        if answer.article_id in self._known:
            return
        at = datetime.now(UTC)
        line = json.dumps({"at": at.isoformat(), "answer": answer.model_dump(mode="json")}) + "\n"
        with room(self._path.parent), self._path.open("ab") as file:
            file.write(_new_line(self._path) + line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._known[answer.article_id] = (answer, at)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two processes at the same step (a task that was thought dead, and its retry) take turns."""
    with room(folder):
        lock = (folder / "lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Iterator[tuple[str, tuple[Answer, datetime]]]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    found: dict[str, tuple[Answer, datetime]] = {}
    for line in lines:
        try:
            record = json.loads(line)
            answer = Answer.model_validate(record["answer"])
        except (ValueError, KeyError, ValidationError):
            # The end of a write that was cut off: its answer was never acted on.
            continue
        found.setdefault(answer.article_id, (answer, datetime.fromisoformat(record["at"])))
    yield from found.items()


def _new_line(path: Path) -> bytes:
    """What ends a line that an earlier write left unfinished."""
    size = path.stat().st_size
    if not size:
        return b""
    with path.open("rb") as file:
        file.seek(size - 1)
        return b"" if file.read() == b"\n" else b"\n"
