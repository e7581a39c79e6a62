"""`bundle.json` as types: an unknown step, model, calibration or key is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from pressrun.bundle.errors import BundleError
from pressrun.bundle.reading import no_key_twice
from pressrun.bundle.specs import (
    FileName,
    LightgbmSpec,
    ModelSpec,
    OnnxSpec,
    Part,
    PreprocessingStep,
    Softmax,
    TokenizerStep,
)

MANIFEST = "bundle.json"
MAX_FILE_BYTES = 64 * 2**20
MAX_ONNX_BYTES = 512 * 2**20
MAX_FILES = 16
MAX_MEMORY = 64 * 2**30

Task: TypeAlias = Literal["classification", "regression", "ranking", "embedding", "reranking"]
Input: TypeAlias = Literal["article_text", "columns", "text_pair"]
# Of a manifest's fields, those that came after its format: left out where they say nothing, so digests stay.
_LATER = ("columns", "memory", "calibration")


def largest(name: str) -> int:
    """How many bytes a bundle's file of that name may have: a graph of a transformer holds its weights."""
    return MAX_ONNX_BYTES if name.endswith(".onnx") else MAX_FILE_BYTES


class File(Part):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MAX_ONNX_BYTES, description="bytes")


class Manifest(Part):
    """What the bundle is and the digests of its files; the steps' outputs stand side by side in their order.

    `columns` names what an input of columns holds, in order. `memory` is how many bytes the loaded model may take; None
    stands for what its files' sizes make likely.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    task: Task = "classification"
    input: Input = "article_text"
    columns: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None, min_length=1, max_length=100_000
    )
    labels: tuple[str, ...] = Field(max_length=1000)
    taxonomy_version: str = ""
    family: str = ""
    preprocessing: tuple[Annotated[PreprocessingStep, Field(discriminator="step")], ...] = Field(max_length=4)
    model: Annotated[ModelSpec, Field(discriminator="kind")]
    calibration: Softmax | None = None
    memory: int | None = Field(default=None, ge=2**20, le=MAX_MEMORY, description="bytes")
    files: dict[FileName, File] = Field(max_length=MAX_FILES)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        _refuse_labels(self)
        _refuse_inputs(self)
        named = {name for part in (*self.preprocessing, self.model) for name in part.file_names()}
        if named != set(self.files):
            raise ValueError(f"files lists {sorted(self.files)}, but the steps and the model use {sorted(named)}")
        for name, file in self.files.items():
            if file.size > largest(name):
                raise ValueError(f"{name} has {file.size:,} bytes, such a file has {largest(name):,} at the most")
        return self

    def canonical(self) -> bytes:
        """The manifest's one spelling: sorted keys, no spaces, ASCII."""
        content = self.model_dump(mode="json", exclude={key for key in _LATER if getattr(self, key) is None})
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @property
    def digest(self) -> str:
        """Names the model: it covers every file by its own digest."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @property
    def width(self) -> int | None:
        """How many numbers the model answers a row: one a label, one, or None where the model decides (embedding)."""
        if self.task == "classification":
            return len(self.labels)
        return None if self.task == "embedding" else 1


def _refuse_labels(manifest: Manifest) -> None:
    if len(set(manifest.labels)) != len(manifest.labels):
        raise ValueError("labels must be unique")
    if manifest.task != "classification" and (manifest.labels or manifest.calibration):
        raise ValueError(f"labels and calibration belong to classification, the task is {manifest.task}")
    if manifest.task == "classification" and len(manifest.labels) < 2:
        raise ValueError("a classification has at least 2 labels")
    if manifest.task == "classification" and not manifest.calibration and not isinstance(manifest.model, LightgbmSpec):
        raise ValueError(f"calibration is missing: a model of kind {manifest.model.kind} answers no probabilities")


def _refuse_inputs(manifest: Manifest) -> None:
    steps, model = manifest.preprocessing, manifest.model
    if (manifest.input == "columns") != (manifest.columns is not None):
        raise ValueError("columns names the numbers of an input of columns, and of no other input")
    if manifest.columns is not None and len(set(manifest.columns)) != len(manifest.columns):
        raise ValueError("columns must be unique")
    if isinstance(model, OnnxSpec) != any(isinstance(step, TokenizerStep) for step in steps):
        raise ValueError("a tokenizer and a model of kind onnx belong together")
    if isinstance(model, OnnxSpec) and (len(steps) != 1 or manifest.input == "columns"):
        raise ValueError("a model of kind onnx reads texts by one tokenizer and no other step")
    if manifest.input == "text_pair" and not isinstance(model, OnnxSpec):
        raise ValueError(f"pairs of texts are for a model of kind onnx, not {model.kind}")
    if manifest.task == "reranking" and manifest.input != "text_pair":
        raise ValueError("a reranking reads text_pair")
    if (manifest.input == "columns") != (not steps):
        raise ValueError("an input of columns goes to the model as it is; texts take at least 1 step")


def parse_manifest(content: bytes) -> Manifest:
    """Raises BundleError that says what in the manifest is unknown or wrong."""
    try:
        parsed: Any = json.loads(content, object_pairs_hook=no_key_twice)
        return Manifest.model_validate_json(json.dumps(parsed))
    except (ValueError, RecursionError, ValidationError) as error:
        raise BundleError(f"{MANIFEST} is refused: {error}. Load it with the pressrun that wrote it.") from error
