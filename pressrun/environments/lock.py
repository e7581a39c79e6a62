"""A lock file: what may stand in it, and the digest that names the environment made from it.

Three forms: requirements with a pin each (`uv pip compile --generate-hashes`, `pip-compile`), `pylock.toml` (PEP 751,
https://packaging.python.org/en/latest/specifications/pylock-toml/), and `uv.lock`, which lies beside its project.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pressrun.compute.platform import ConfigurationFailed
from pressrun.config.find import resolve_path
from pressrun.config.stages import StageEnvironment

_PIN = re.compile(r"[A-Za-z0-9][\w.-]*(\[[^]]*\])?\s*(==\s*[^\s;*]+(?=\s|;|$)|@\s*\S+)")
_OPTION = re.compile(
    r"(--hash|--index-url|--extra-index-url|--find-links|--no-index|--only-binary|--no-binary|-i|-f)\b"
)


@dataclass(frozen=True, kw_only=True)
class LockFile:
    """A lock file that can be used. `python` is the version its environment has."""

    path: Path
    python: str
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the file and the version of Python: 64 hex digits. The same on every machine."""
        return hashlib.sha256(self.python.encode() + b"\0" + self.content).hexdigest()

    @property
    def runtime(self) -> str:
        """What an environment made from it is: see `pressrun.environments.runtime_of`."""
        return f"lock {self.digest}"

    @property
    def hashed(self) -> bool:
        """Whether requirements name what each file must contain; the other forms always do."""
        return b"--hash=" in self.content


def read_lock(environment: StageEnvironment) -> LockFile:
    """The stage's lock. Raises ConfigurationFailed that names file, line and what to do."""
    assert environment.lock is not None
    path = resolve_path(environment.lock)
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "Make it: uv pip compile FILE.in --generate-hashes -o FILE.lock; docs/environments.md tells more"
        raise ConfigurationFailed(f"the lock {path} cannot be read: {error.strerror}", hint=hint) from error
    for wrong in problems(path, content):
        raise ConfigurationFailed(f"the lock {path} cannot be used: {wrong}", hint="Make it anew with uv pip compile")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return LockFile(path=path, python=environment.python or here, content=content)


def problems(path: Path, content: bytes) -> Iterator[str]:
    """What keeps a lock from making the same environment every time."""
    if is_toml(path):
        yield from _toml(content)
        if path.name == "uv.lock" and not path.with_name("pyproject.toml").is_file():
            yield "uv.lock is read with the pyproject.toml beside it, which is missing"
    else:
        yield from _requirements(content)


def is_toml(path: Path) -> bool:
    """Whether it is a pylock.toml (also as pylock.NAME.toml) or a uv.lock, rather than requirements."""
    return path.name == "uv.lock" or path.suffix == ".toml"


def _toml(content: bytes) -> Iterator[str]:
    try:
        tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        yield f"it is no TOML: {error}"


def _requirements(content: bytes) -> Iterator[str]:
    """Each logical line must be a pin: `name==version`, or `name @ address`."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield f"it is no text: {error}"
        return
    pins = 0
    for number, line in _logical_lines(text):
        if _OPTION.match(line):
            continue
        if not _PIN.match(line):
            yield f"line {number}, {line[:60]!r}, pins no version (name==version)"
            return
        pins += 1
    if not pins:
        yield "it names no package"


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that end in a backslash go on, comments and empty ones are left out."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        plain = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        first = first if begun else number
        begun += plain.removesuffix("\\")
        if plain.endswith("\\"):
            continue
        if begun.strip():
            yield first, begun.strip()
        begun = ""
