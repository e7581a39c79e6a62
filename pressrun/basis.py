"""What a step was made with, in parts: so that people can be told what changed between two models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pressrun.config.find import resolve_path
from pressrun.config.pipeline import Pipeline

Digest: TypeAlias = str


class Basis(BaseModel):
    """Short digests of the pipeline file's sections, of the files that it names, of code and environment."""

    model_config = ConfigDict(frozen=True)

    config: Mapping[str, Digest] = Field(default_factory=dict)
    taxonomy: Digest = ""
    prompt: Digest = ""
    code: Digest = ""
    environment: Digest = ""


def basis_of(pipeline: Pipeline, code: str, runtime: str = "") -> Basis:
    """The basis of a step of `pipeline` whose stage has the code digest `code`, in the environment `runtime`."""
    sections = pipeline.model_dump(mode="json")
    return Basis(
        config={name: _short(repr(section).encode()) for name, section in sections.items()},
        taxonomy=_file(pipeline.label.taxonomy),
        prompt=" ".join(_file(spec.prompt) for spec in pipeline.label.chain if spec.prompt),
        code=_short(code.encode()),
        environment=_short(runtime.encode()) if runtime else "",
    )


def _file(path: str | Path) -> Digest:
    try:
        return _short(resolve_path(path).read_bytes())
    except OSError:
        return ""


def _short(content: bytes) -> Digest:
    return hashlib.sha256(content).hexdigest()[:12]
