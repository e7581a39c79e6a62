"""Which models a process serves, by a file that may change: a new version is verified and warm before it serves.

The file is JSON: {"models": [{"model": "topics", "version": "4", "bundle": "topics-4", "digest": "…"}]}; a relative
bundle is beside it. Replace the file whole (write another, then rename it), or change it, or a bundle in its folder,
and send SIGHUP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pressrun.bundle import BundleError
from pressrun.bundle.folder import MAX_MANIFEST_BYTES
from pressrun.bundle.manifest import MANIFEST, parse_manifest
from pressrun.serving.hosting import Host, Hosted, Placed

LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class ModelsFileError(ValueError):
    """The file is not as it must be: it names file, key and reason. What serves goes on serving."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    bundle: Path
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class _Models(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    models: Annotated[tuple[_Entry, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _once(self) -> _Models:
        names = [entry.model for entry in self.models]
        if len(set(names)) != len(names):
            raise ValueError("a model is named twice; a process serves one version of each")
        return self


def read_models(file: Path) -> tuple[Placed, ...]:
    """The models that `file` names, in its order. Raises ModelsFileError."""
    try:
        found = _Models.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ModelsFileError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelsFileError(f"{file}: {key}: {first['msg']}") from error
    return tuple(
        Placed(bundle=file.parent / entry.bundle, model=entry.model, version=entry.version, digest=entry.digest)
        for entry in found.models
    )


def write_models(file: Path, models: tuple[Placed, ...]) -> None:
    """Replaces the file, whole."""
    entries = [
        {"model": one.model, "version": one.version, "bundle": str(one.bundle), "digest": one.digest} for one in models
    ]
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_text(json.dumps({"models": entries}, indent=2))
    os.replace(scratch, file)


class Swapper:
    """Serves what `file` names, and what it names next."""

    def __init__(self, host: Host, file: Path) -> None:
        self._host, self._file = host, file
        self._serving: dict[Placed, Hosted] = {}
        self._seen: tuple[int, int, int] | None = None
        self._hung_up = asyncio.Event()

    def begin(self) -> None:
        """Loads all that the file names. Raises ModelsFileError, BundleError and WrongModel."""
        self._seen = self._looks()
        self._put(self._loaded(read_models(self._file)))

    def hang_up(self) -> None:
        """Looks at the file at once, whether it has changed or not."""
        self._hung_up.set()

    async def follow(self) -> None:
        """Looks at the file again and again, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._hung_up.wait(), LOOK_SECONDS)
            except TimeoutError:
                if self._looks() == self._seen:
                    continue
            self._hung_up.clear()
            await self.swap()

    async def swap(self) -> None:
        """What the file names now takes the place of what serves; where any of it is refused, nothing changes."""
        self._seen = self._looks()
        try:
            found = read_models(self._file)
            # Loading takes seconds of computing: meanwhile the old models answer.
            loaded = await asyncio.get_running_loop().run_in_executor(None, self._loaded, found)
        except Exception as error:
            self._host.metrics.swapped(outcome="refused")
            _log.error("the models of %s are not served, the old ones stay: %s", self._file, error)
            return
        if list(loaded.items()) == list(self._serving.items()):
            self._host.metrics.swapped(outcome="unchanged")
            _log.info("the models of %s are unchanged", self._file)
            return
        self._put(loaded)
        self._host.metrics.swapped(outcome="served")
        _log.info("serving %s", ", ".join(f"{one.model} v{one.version}" for one in loaded))

    def _loaded(self, wanted: tuple[Placed, ...]) -> dict[Placed, Hosted]:
        """All that is wanted; what serves already is not loaded again. Where one fails, none is left loaded."""
        loaded = dict[Placed, Hosted]()
        try:
            for placed in wanted:
                loaded[placed] = self._stays(placed) or self._host.load(placed)
        except BaseException:
            self._let_go(loaded)
            raise
        return loaded

    def _stays(self, placed: Placed) -> Hosted | None:
        """What serves already, unless another bundle has taken the place of its own."""
        one = self._serving.get(placed)
        if one is None:
            return None
        there = _digest_in(placed.bundle)
        if there is None:
            _log.warning("%s v%s is served on, but its bundle %s has gone", placed.model, placed.version, placed.bundle)
        return one if there in (None, one.identity.digest) else None

    def _let_go(self, loaded: dict[Placed, Hosted]) -> None:
        for placed, one in loaded.items():
            if self._serving.get(placed) is not one:
                one.close()
        # Who keeps the error, as a log's handler may, keeps the frame that holds these.
        loaded.clear()

    def _put(self, loaded: dict[Placed, Hosted]) -> None:
        self._serving = loaded
        self._host.serve(loaded.values())

    def _looks(self) -> tuple[int, int, int] | None:
        """Of the file, what changes with it."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns)


def _digest_in(bundle: Path) -> str | None:
    """Of what lies there now, by its manifest; "" where loading it will say what is wrong, None where nothing lies."""
    manifest = bundle / MANIFEST
    if not os.path.lexists(manifest):
        return None
    if manifest.is_symlink() or not manifest.is_file():
        return ""
    with suppress(OSError, BundleError), manifest.open("rb") as file:
        return parse_manifest(file.read(MAX_MANIFEST_BYTES + 1)).digest
    return ""
