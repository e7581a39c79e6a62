"""What a job needs beside the lake, uploaded once: a name carries its content's digest, so what is there is right.

The package travels as a zip made from its own installed files, not as a wheel: it needs no build tool where Airflow
runs, executors import from it as it is, and what runs is what is installed here, an editable checkout's edits included.
Dependencies are no part of it; they come with the platform's image or with a packed environment.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import pyarrow.fs as pafs

import pressrun
from pressrun.config.environment import Environment
from pressrun.config.spark import Local
from pressrun.lake import stores

ENTRY = Path(__file__).with_name("entry.py")
_FOLDER = "_jobs"
# Zip has no earlier time; the same files must make the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SUFFIXES = (".py", ".json", ".j2", ".txt", ".md", ".yaml", ".csv", ".html")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file and its content."""

    stem: str
    suffix: str
    content: bytes

    @property
    def name(self) -> str:
        """Its name, which carries the first 16 digits of the content's SHA-256."""
        return f"{self.stem}-{hashlib.sha256(self.content).hexdigest()[:16]}{self.suffix}"


class Uploads:
    """A folder or a bucket's prefix that code and work orders lie in."""

    def __init__(self, root: str, storage_options: Mapping[str, str]) -> None:
        self.root = root.rstrip("/")
        self._options = dict(storage_options)

    def put(self, upload: Upload) -> str:
        """Its URI; written only where nothing of that name and length lies there. Of two writers each writes the same.

        Raises OSError, and StoreError for options that the store does not know.
        """
        filesystem, path = self._filesystem(), upload.name
        found = filesystem.get_file_info(path)
        if found.type != pafs.FileType.File or found.size != len(upload.content):
            self._write(filesystem, path, upload.content)
        return f"{self.root}/{path}"

    def _write(self, filesystem: pafs.FileSystem, path: str, content: bytes) -> None:
        # A bucket shows an object when it is whole; a folder shows a file from its first byte on.
        there = path if stores.in_bucket(self.root) else f"{path}.{uuid4().hex}"
        with filesystem.open_output_stream(there) as stream:
            stream.write(content)
        if there != path:
            filesystem.move(there, path)

    def _filesystem(self) -> pafs.FileSystem:
        if not stores.in_bucket(self.root):
            Path(self.root).mkdir(parents=True, exist_ok=True)
        return stores.filesystem(self.root, self._options)


def uploads_of(environment: Environment) -> Uploads:
    """Where the environment's jobs find what they need."""
    platform, lake = environment.spark.platform, environment.lake.root
    if isinstance(platform, Local):
        return Uploads(str(local_jobs(environment) / "files"), {})
    root = lake if "://" in lake else str(Path(lake).expanduser().resolve())
    return Uploads(platform.staging or f"{root.rstrip('/')}/{_FOLDER}", environment.lake.storage_options)


def local_jobs(environment: Environment) -> Path:
    """Where the jobs of this machine have their folders."""
    return environment.home.absolute() / "spark-jobs"


@cache
def package() -> Upload:
    """Pressrun itself as a zip that is the same for the same files. No config: what a job needs is in its order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(_files()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return Upload(stem="pressrun", suffix=".zip", content=packed.getvalue())


@cache
def entry() -> Upload:
    """The program that a platform starts."""
    return Upload(stem="entry", suffix=".py", content=ENTRY.read_bytes())


def _files() -> Iterator[tuple[str, Path]]:
    folder = Path(pressrun.__file__).parent
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix in _SUFFIXES and folder / "_config" not in file.parents:
            yield f"pressrun/{file.relative_to(folder).as_posix()}", file
