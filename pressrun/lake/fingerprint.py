"""What a step's outcome depends on, as one digest: stage, inputs, config section, code."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pressrun.lake.sources import source_digest
from pressrun.lake.types import DatasetRef

PACKAGES: Mapping[str, str] = {
    "ingest": "ingest",
    "sample": "sampling",
    "label": "labeling",
    "train": "training",
    "gate": "gates",
    "rollout": "rollout",
    "drift": "drift",
    "freshness": "freshness",
}
"""The stages by the names that people and results use, which are the DAGs' task ids; each with its package."""

_NAMED = re.compile(r"^([A-Za-z_][\w.]*):[A-Za-z_]\w*$")


def fingerprint(
    *,
    stage: str,
    pipeline: str,
    inputs: Mapping[str, DatasetRef | str | None],
    section: Any,
    code: str,
    runtime: str = "",
) -> str:
    """64 hex digits. Inputs count by content, so the same rows at another version change nothing.

    `runtime` names the stage's own environment; code of the user's that is installed in one is a part of that.
    """
    plain = TypeAdapter(Any).dump_python(section, mode="json")
    parts = {
        "stage": stage,
        "pipeline": pipeline,
        "inputs": {name: value.digest if isinstance(value, DatasetRef) else value for name, value in inputs.items()},
        "section": plain,
        "code": code,
        "own_code": {
            name: "" if runtime and installed(name) else code_digest(name) for name in sorted(set(named_modules(plain)))
        },
        # Left out where there is none, so that earlier marks stay what they are.
        **({"runtime": runtime} if runtime else {}),
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stage_code(stage: str) -> str:
    """The code that the stage runs, as one digest. Raises ValueError for a name that is none of `PACKAGES`."""
    if stage not in PACKAGES:
        raise ValueError(f"there is no stage {stage!r}; the stages are {', '.join(PACKAGES)}")
    return source_digest(PACKAGES[stage])


def installed(module: str) -> bool:
    """Whether the module came with the interpreter's packages, or is nowhere: then another one may have it."""
    found = [place for place in places_of(module) if place.exists()]
    return not found or any("site-packages" in place.parts for place in found)


@cache
def code_digest(module: str) -> str:
    """SHA-256 over a module's source, or over all sources of a package; empty when there is none to be found.

    Nothing of it is imported: it may need packages that only another environment has.
    """
    found = dict(_sources(module))
    total = hashlib.sha256()
    for name, file in sorted(found.items()):
        total.update(f"{name.as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest() if found else ""


def _sources(module: str) -> Iterator[tuple[Path, Path]]:
    for place in places_of(module):
        if place.is_dir():
            yield from ((file.relative_to(place), file) for file in place.rglob("*.py"))
        elif place.is_file():
            yield Path(place.name), place


def places_of(module: str) -> list[Path]:
    """The module's file, or the package's folders."""
    root, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    if not folders:
        return [Path(spec.origin)] if spec.origin and not inner else []
    below = [folder.joinpath(*inner) for folder in folders]
    packages = [place for place in below if place.is_dir()]
    return packages or [place.with_name(f"{place.name}.py") for place in below]


def named_modules(section: Any) -> Iterator[str]:
    """Modules that `uses: package.module:Name` names anywhere in a section; `model: openai:gpt` names no code."""
    if isinstance(section, list):
        yield from (name for value in section for name in named_modules(value))
    if not isinstance(section, dict):
        return
    for key, value in section.items():
        named = _NAMED.match(value) if key == "uses" and isinstance(value, str) else None
        yield from [named.group(1)] if named else named_modules(value)
