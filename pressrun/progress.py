"""How far long work is, told to whoever watches: a task's log, a terminal's bar, a notebook."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears how far long work is: `done` of `total` (None: unknown) in words."""

    def __call__(self, message: str, done: int = 0, total: int | None = None) -> None: ...


def silent(message: str, done: int = 0, total: int | None = None) -> None:
    """A `Progress` that nobody hears."""
