"""Which files a night reads, and what kind each is."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pressrun.config.pipeline import Read

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def matching(path: str) -> list[Path]:
    """The visible files of a glob, or of a folder's first level."""
    pattern = str(Path(path) / "*") if Path(path).is_dir() else path
    files = (Path(name) for name in glob.glob(pattern, recursive=True))
    return sorted(file for file in files if file.is_file() and not hidden(file.name))


def hidden(name: str) -> bool:
    """Whether a file is somebody's own: half written, or a program's."""
    return name.startswith((".", "_"))


def format_of(file: Path, read: Read) -> Format | None:
    """The file's format by articles.read.format or its suffix; None where neither tells."""
    return _SUFFIXES.get(file.suffix.lower()) if read.format == "auto" else read.format


def digest(files: Iterable[Path]) -> str:
    """One SHA-256 over the files' names and contents."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(f"{file.name}\0{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def excerpt_of_file(file: Path) -> str:
    """What tells a file that was refused as a whole from tomorrow's of the same name: its digest."""
    try:
        return f"the file's SHA-256 begins with {digest([file])[:16]}"
    except OSError as error:
        return f"the file cannot be opened: {error.strerror}"
