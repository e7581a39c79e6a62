"""What is told of a full disk, whichever library met it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from pressrun.config.room import DiskFull, room


@pytest.mark.parametrize(
    "met",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("Generic LocalFileSystem error: Unable to copy data: No space left on device (os error 28)"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_is_told_with_its_folder_and_what_to_do(tmp_path: Path, met: Exception) -> None:
    with pytest.raises(DiskFull, match=rf"^the disk of {tmp_path} is full: .* Make room there") as told, room(tmp_path):
        raise met
    assert told.value.__cause__ is met


def test_a_full_disk_below_another_error_is_found(tmp_path: Path) -> None:
    def wrapped() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("the upload failed") from error

    with pytest.raises(DiskFull), room(tmp_path / "not" / "made" / "yet"):
        wrapped()


@pytest.mark.parametrize("met", [FileNotFoundError("x"), sqlite3.OperationalError("disk I/O error")])
def test_all_else_passes_as_it_is(tmp_path: Path, met: Exception) -> None:
    with pytest.raises(type(met)), room(tmp_path):
        raise met
