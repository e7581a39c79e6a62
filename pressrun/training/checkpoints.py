"""Checkpoints: what a training needs to go on from where it was killed, whole or not at all.

A checkpoint is a folder of safetensors files and one of JSON, written under another name, made durable, and renamed.
Nothing in it can run code; a file that is not what the JSON says of it is passed over for the checkpoint before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Tensors: TypeAlias = Mapping[str, NDArray[Any]]
_STATE = "state.json"
_KEPT = 2


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """`state` is plain JSON, `tensors` the files' by their names."""

    step: int
    state: Mapping[str, Any]
    tensors: Mapping[str, Tensors]


class Checkpoints:
    """Those of one fit, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps the checkpoint, and the one before it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._place(checkpoint.step)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            digests = {}
            for name, tensors in checkpoint.tensors.items():
                content = save({key: np.ascontiguousarray(value) for key, value in tensors.items()})
                digests[name] = hashlib.sha256(content).hexdigest()
                _write(beside / f"{name}.safetensors", content)
            told = {"step": checkpoint.step, "files": digests, "state": checkpoint.state}
            _write(beside / _STATE, json.dumps(told, sort_keys=True).encode())
            if not place.exists():
                os.rename(beside, place)
            _sync(self._folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        for old in self._steps()[:-_KEPT]:
            shutil.rmtree(self._place(old), ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """The newest that is whole."""
        found = (self._read(step) for step in reversed(self._steps()))
        return next((checkpoint for checkpoint in found if checkpoint is not None), None)

    def _read(self, step: int) -> Checkpoint | None:
        place = self._place(step)
        try:
            told = json.loads((place / _STATE).read_bytes())
            files = {name: (place / f"{name}.safetensors").read_bytes() for name in told["files"]}
            if any(hashlib.sha256(files[name]).hexdigest() != digest for name, digest in told["files"].items()):
                return None
            return Checkpoint(step=step, state=told["state"], tensors={name: load(files[name]) for name in files})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _steps(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        names = (place.name.partition("-") for place in self._folder.iterdir())
        return sorted(int(number) for kind, _, number in names if kind == "step" and number.isdigit())

    def _place(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    """The rename itself outlives a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
