"""A service's processes, as tests of what dies and what hangs take hold of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process and all below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """The process and all below it do nothing: connections are accepted and never answered."""
    processes = tree(pid)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()
