"""What has landed for a night: files of a folder here, or of a bucket, brought to this machine while they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.ingest.errors import IngestError
from pressrun.ingest.files import hidden, matching
from pressrun.lake.stores import in_bucket, store

_WILD = re.compile(r"[*?\[]")
_AT_ONCE = 8
# Arrow's words for a prefix without objects, on S3 and on GCS.
_NOTHING_THERE = re.compile(r"\[Errno 2\] Path does not exist|No such file or directory")


class Landing:
    """The landed files of one try of a step. Copies from a bucket last as long as the `with` block.

    They are not kept: they hold readers' raw names.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._kept = ExitStack()
        self._found: dict[str, list[Path]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    def articles(self, pipeline: Pipeline) -> list[Path]:
        """The files to read, in the order of their names; hidden ones and those that begin with _ are left out.

        Raises IngestError when articles.read.path is set and matches nothing; an empty landing folder is a night with
        nothing new.
        """
        path = pipeline.articles.read.path
        found = self.files(path or f"{self._environment.landing.rstrip('/')}/{pipeline.model}/*")
        if path and not found:
            raise IngestError(f"articles.read.path of pipeline {pipeline.model} is {path}, and no file is there")
        return found

    def files(self, path: str) -> list[Path]:
        """The visible files of a glob, or of a folder's first level. Raises IngestError for a bucket that refuses."""
        if not in_bucket(path):
            return matching(path.removeprefix("file://"))
        if path not in self._found:
            self._found[path] = self._brought(path)
        return self._found[path]

    def _brought(self, path: str) -> list[Path]:
        folder = Path(self._kept.enter_context(TemporaryDirectory(prefix="pressrun-landed-")))
        place, names = bucket_files(self._environment, path)
        with _readable(path), ThreadPoolExecutor(_AT_ONCE) as pool:
            return sorted(pool.map(lambda name: copied(place, name, folder), names))


def bucket_files(environment: Environment, path: str) -> tuple[pafs.FileSystem, list[str]]:
    """The store of `path`, and the visible objects of its glob or of its prefix's first level, as bucket/key.

    Signs in as for the lake where both are of one kind, else by that store's default chain. Raises IngestError for a
    bucket that refuses.
    """
    with _readable(path):
        own = urlsplit(environment.lake.root).scheme == urlsplit(path).scheme
        place = store(path, environment.lake.storage_options if own else {})
        return place, _matching(place, path)


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "the account needs to list and read there, and the bucket must be in the client's region"
        raise IngestError(f"{path} cannot be read: {str(error)[:300]}; {remedy}") from error


def _matching(place: pafs.FileSystem, path: str) -> list[str]:
    """The objects of a glob or of a prefix's first level, as paths that begin with the bucket."""
    whole = path.partition("://")[2]
    wild = whole if _WILD.search(whole) else f"{whole.rstrip('/')}/*"
    base = PurePosixPath(wild[: _WILD.search(wild).start()] + "x").parent  # type: ignore[union-attr]
    selector = pafs.FileSelector(str(base), recursive="/" in wild[len(str(base)) + 1 :], allow_not_found=True)
    files = [info.path for info in place.get_file_info(selector) if info.type == pafs.FileType.File]
    if not files:
        _bucket_is_there(place, str(base))
    pattern = re.compile(_translated(wild))
    return sorted(file for file in files if pattern.fullmatch(file) and not hidden(PurePosixPath(file).name))


def _bucket_is_there(place: pafs.FileSystem, base: str) -> None:
    """Raises OSError for a bucket that is not there.

    By a list, which tells it from an empty prefix: who may list and read may not look at the bucket itself, as Arrow
    does where a list of a whole bucket of GCS comes back empty.
    """
    try:
        place.get_file_info(pafs.FileSelector(base if "/" in base else f"{base}/_"))
    except OSError as error:
        if not _NOTHING_THERE.match(str(error)):
            raise


def _translated(wild: str) -> str:
    """A glob as a regular expression: `*` stays within a level, `**/` is any number of them."""
    parts = re.split(r"(\*\*/|\*|\?|\[[^\]]+\])", wild)
    said = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(said.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts if part)


def copied(place: pafs.FileSystem, name: str, folder: Path) -> Path:
    """An object, brought into the folder. Below its own folders, since two levels may have files of one name."""
    to = folder / PurePosixPath(name)
    to.parent.mkdir(parents=True, exist_ok=True)
    pafs.copy_files(name, str(to), source_filesystem=place, destination_filesystem=pafs.LocalFileSystem())
    return to
