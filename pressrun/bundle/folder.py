"""Reads a bundle's folder without trusting it: each file once, bounded, by its digest, through no link."""

from __future__ import annotations

import hashlib
import os
import stat
from itertools import islice
from pathlib import Path

from pressrun.bundle.errors import BundleError
from pressrun.bundle.manifest import MANIFEST, Manifest, largest, parse_manifest
from pressrun.bundle.memory import refuse_over

MAX_MANIFEST_BYTES = 2**20


def read_folder(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and its files' contents, all verified. Raises BundleError."""
    manifest = parse_manifest(_read(folder, MANIFEST, MAX_MANIFEST_BYTES))
    _refuse_strangers(folder, manifest)
    refuse_over(sum(file.size for file in manifest.files.values()), manifest, f"{folder}: reading its files")
    return manifest, {name: _verified(folder, name, manifest) for name in manifest.files}


def _refuse_strangers(folder: Path, manifest: Manifest) -> None:
    known = {MANIFEST, *manifest.files}
    with os.scandir(folder) as entries:
        # A folder may hold millions; a few tell enough.
        strangers = list(islice((entry.name for entry in entries if entry.name not in known), 5))
    if strangers:
        raise BundleError(f"{folder} holds files that {MANIFEST} does not name: {', '.join(sorted(strangers))}")


def _verified(folder: Path, name: str, manifest: Manifest) -> bytes:
    declared = manifest.files[name]
    content = _read(folder, name, declared.size)
    found = hashlib.sha256(content).hexdigest()
    if found != declared.sha256:
        wanted = declared.sha256[:12]
        raise BundleError(f"{folder / name} was changed: its digest is {found[:12]}, {MANIFEST} says {wanted}")
    return content


def _read(folder: Path, name: str, limit: int) -> bytes:
    path = folder / name
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{path} cannot be read as a plain file: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BundleError(f"{path} is no plain file")
    with os.fdopen(handle, "rb") as file:
        content = file.read(min(limit, largest(name)) + 1)
    if len(content) > min(limit, largest(name)):
        raise BundleError(f"{path} is larger than the {min(limit, largest(name)):,} bytes allowed")
    return content
