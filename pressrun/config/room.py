"""A full disk, told as what it is: whatever library met it says it in words of its own, and few name the folder."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_WORDS = re.compile("no space left on device|disk quota exceeded|database or disk is full", re.IGNORECASE)
# What SQLite says where it cannot make the file that its readers share; a failing disk says the same.
_PERHAPS = re.compile("disk i/o error|unable to open database file", re.IGNORECASE)
_NOTHING, _MB = 1 << 20, 1e6


class DiskFull(OSError):
    """A disk is full. A retry helps once there is room again."""


@contextmanager
def room(folder: str | Path) -> Iterator[None]:
    """Raises what fails for want of room in `folder` as a DiskFull that names it; all else passes as it is."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        where = _there(Path(folder))
        if not _is_full(error, where):
            raise
        raise DiskFull(_in_words(where)) from error


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _is_full(error: BaseException, where: Path) -> bool:
    found: BaseException | None = error
    while found is not None:
        if getattr(found, "errno", None) in _NUMBERS or _WORDS.search(str(found)):
            return True
        if _PERHAPS.search(str(found)) and shutil.disk_usage(where).free < _NOTHING:
            return True
        found = found.__cause__ or found.__context__
    return False


def _in_words(where: Path) -> str:
    usage = shutil.disk_usage(where)
    return (
        f"the disk of {where} is full: {usage.free / _MB:,.1f} of {usage.total / _MB:,.0f} MB are free. Make room "
        "there, or give it a larger disk, and run this again or clear its task: what was committed stays, and what was "
        "only begun is done again"
    )
