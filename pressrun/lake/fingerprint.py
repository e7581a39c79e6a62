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
    *, stage: str, pipeline: str, inputs: Mapping[str, DatasetRef | str | None], section: Any, code: str
) -> str:
    """64 hex digits. Inputs count by content, so the same rows at another version change nothing."""
    plain = TypeAdapter(Any).dump_python(section, mode="json")
    parts = {
        "stage": stage,
        "pipeline": pipeline,
        "inputs": {name: value.digest if isinstance(value, DatasetRef) else value for name, value in inputs.items()},
        "section": plain,
        "code": code,
        "own_code": {name: code_digest(name) for name in sorted(set(_own_modules(plain)))},
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stage_code(stage: str) -> str:
    """The code that the stage runs, as one digest. Raises ValueError for a name that is none of `PACKAGES`."""
    if stage not in PACKAGES:
        raise ValueError(f"there is no stage {stage!r}; the stages are {', '.join(PACKAGES)}")
    return source_digest(PACKAGES[stage])


@cache
def code_digest(module: str) -> str:
    """SHA-256 over a module's source, or over all sources of a package; empty when there is none to be found."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        return ""
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    found = [(file.relative_to(folder), file) for folder in folders for file in folder.rglob("*.py")]
    if not folders and spec.origin:
        found = [(Path(spec.origin).relative_to(Path(spec.origin).parent), Path(spec.origin))]
    total = hashlib.sha256()
    for name, file in sorted(found):
        total.update(f"{name.as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _own_modules(section: Any) -> Iterator[str]:
    """Modules that `uses: package.module:Name` names anywhere in a section; `model: openai:gpt` names no code."""
    if isinstance(section, list):
        yield from (name for value in section for name in _own_modules(value))
    if not isinstance(section, dict):
        return
    for key, value in section.items():
        named = _NAMED.match(value) if key == "uses" and isinstance(value, str) else None
        yield from [named.group(1)] if named else _own_modules(value)
