"""Local folders for what was paid for before it could be committed: they survive the retries of a step."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pressrun.config.room import room


def staging_folder(base: Path, step_key: str, name: str) -> Path:
    """The step's folder of that name below `base`. Raises ValueError for a name that could lead out of it."""
    if not re.fullmatch(r"[\w.-]+", name) or name in {".", ".."}:
        raise ValueError(f"{name!r} cannot name a staging folder; use letters, digits, '-', '_' and '.'")
    return base / _slug(step_key) / name


def make_staging_folder(base: Path, step_key: str, name: str) -> Path:
    """The same, made where it is missing. Raises DiskFull."""
    folder = staging_folder(base, step_key, name)
    with room(base):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def default_staging(root: str) -> Path:
    """Inside a local lake; for one elsewhere, in the user's cache."""
    if "://" in root:
        return Path("~/.cache/pressrun/staging").expanduser() / _slug(root)
    return Path(root) / ".staging"


def _slug(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[-60:]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
