"""The sources that a package stands on: what a step's code is, as far as Pressrun itself goes."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_OURS = "pressrun"


class SourcesMissing(RuntimeError):
    """Code without its sources has no digest, so nobody could tell when it changed. A retry does not help."""


@cache
def source_digest(package: str, root: Path = _ROOT) -> str:
    """SHA-256 over the sources of `pressrun.<package>` and of every module of Pressrun's that they import, however far.

    `root` is the folder that holds `pressrun`. Raises SourcesMissing.
    """
    total = hashlib.sha256()
    for module, file in sorted(_reached(f"{_OURS}.{package}", root).items()):
        total.update(f"{module}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _reached(package: str, root: Path) -> dict[str, Path]:
    if _source(package, root) is None:
        raise SourcesMissing(
            f"the sources of {package} are not in {root}; install Pressrun as files, not as an archive"
        )
    found: dict[str, Path] = {}
    waiting = [package, *_modules(package, root)]
    while waiting:
        module = waiting.pop()
        file = _source(module, root)
        if module not in found and file is not None:
            found[module] = file
            waiting += _imported(file)
    return found


def _modules(package: str, root: Path) -> Iterator[str]:
    """All of the package's own: some are named in config or started as programs, and imported by none."""
    folder = root.joinpath(*package.split("."))
    for file in folder.rglob("*.py"):
        parts = file.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _source(module: str, root: Path) -> Path | None:
    if module.partition(".")[0] != _OURS:
        return None
    place = root.joinpath(*module.split("."))
    return next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)


@cache
def _imported(file: Path) -> tuple[str, ...]:
    """What the file imports anywhere, and the packages above it; names that are no module are sorted out later."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    above = {name.rpartition(".")[0] for name in names if "." in name}
    return tuple(sorted(names | above))
