"""Readers in what landed: files of a folder, and objects of a bucket, which are replaced whole as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pyarrow.fs as pafs

from pressrun.config.environment import Environment
from pressrun.config.load import load_pipeline, pipeline_files
from pressrun.config.pipeline import Interactions
from pressrun.config.problems import ConfigError
from pressrun.ingest.errors import IngestError
from pressrun.ingest.files import matching
from pressrun.ingest.landing import bucket_files, copied
from pressrun.lake.stores import in_bucket
from pressrun.upkeep.scrub import Scrub, remove_leftovers, scrub_mind, scrub_parquet

LANDING = "landing"
ScrubFile = Callable[..., int]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file or object in which readers may be, and how it is looked through. `busy`: a server may write to it yet."""

    kind: str
    file: Path | str
    scrub: ScrubFile
    busy: bool = False


def landed(environment: Environment) -> Iterator[Place]:
    """What the pipelines' sections `interactions` name, each file once. A bucket that refuses is a place that does."""
    seen: set[Path | str] = set()
    for section in _sections():
        for place in _in_bucket(environment, section) if in_bucket(section.path) else _in_folder(section):
            if place.file not in seen:
                seen.add(place.file)
                yield place


def _sections() -> Iterator[Interactions]:
    for file in pipeline_files():
        try:
            section = load_pipeline(file).interactions
        except ConfigError:
            continue
        if section is not None:
            yield section


def _in_folder(section: Interactions) -> Iterator[Place]:
    for file in matching(section.path.removeprefix("file://")):
        remove_leftovers(file.parent)
        yield Place(kind=LANDING, file=file, scrub=_reader_of(section, file.suffix))


def _in_bucket(environment: Environment, section: Interactions) -> Iterator[Place]:
    try:
        store, names = bucket_files(environment, section.path)
    except IngestError as error:
        yield Place(kind=LANDING, file=section.path, scrub=partial(_refuse, error))
        return
    scheme = section.path.partition("://")[0]
    for name in names:
        scrub = partial(_scrub_object, store, name, _reader_of(section, PurePosixPath(name).suffix))
        yield Place(kind=LANDING, file=f"{scheme}://{name}", scrub=scrub)


def _reader_of(section: Interactions, suffix: str) -> ScrubFile:
    parquet = section.format == "parquet" or (section.format == "auto" and suffix == ".parquet")
    return scrub_parquet if parquet else scrub_mind


def _refuse(error: IngestError, file: str, scrub: Scrub, *, change: bool) -> int:
    raise error


def _scrub_object(
    store: pafs.FileSystem, name: str, scrub_file: ScrubFile, file: str, scrub: Scrub, *, change: bool
) -> int:
    """As a file's, on a copy that is gone afterwards. Raises OSError for an object that somebody replaced meanwhile."""
    before = store.get_file_info(name)
    if before.type != pafs.FileType.File:
        raise FileNotFoundError(name)
    with TemporaryDirectory(prefix="pressrun-landed-") as folder:
        here = copied(store, name, Path(folder))
        count = scrub_file(here, scrub, change=change)
        if count and change:
            _put_back(store, name, here, before)
    return count


def _put_back(store: pafs.FileSystem, name: str, here: Path, before: pafs.FileInfo) -> None:
    now = store.get_file_info(name)
    if now.type != pafs.FileType.File:
        return  # Moved by whoever reads it: it is not made again.
    if (now.size, now.mtime_ns) != (before.size, before.mtime_ns):
        raise OSError("somebody replaced it while it was looked through")
    # Without parts, so that the object is the old one or the new one.
    with store.open_output_stream(name) as out:
        out.write(here.read_bytes())
