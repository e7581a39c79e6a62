"""`bundle.json` as types: an unknown step, model, calibration or key is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pressrun.bundle.errors import BundleError

FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}\.(safetensors|json|txt)$")]
MANIFEST = "bundle.json"
MAX_FILE_BYTES = 64 * 2**20
MAX_FILES = 16


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Part):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MAX_FILE_BYTES, description="bytes")


class TfidfStep(_Part):
    """Word n-grams; `tokens` names a fixed tokenisation, never a pattern from the file."""

    step: Literal["tfidf"] = "tfidf"
    version: Literal[1] = 1
    tokens: Literal["words_of_two_and_more"] = "words_of_two_and_more"
    ngrams: tuple[Annotated[int, Field(ge=1, le=3)], Annotated[int, Field(ge=1, le=3)]] = (1, 2)
    sublinear_tf: bool = True
    vocabulary: FileName
    weights: FileName


class StaticStep(_Part):
    """Mean token vectors of length one, less `center` (in `weights`), times `scale`."""

    step: Literal["static_embeddings"] = "static_embeddings"
    version: Literal[1] = 1
    scale: float = Field(default=1.0, gt=0, le=100)
    weights: FileName
    center: FileName
    tokenizer: FileName


PreprocessingStep = Annotated[TfidfStep | StaticStep, Field(discriminator="step")]


class LinearSpec(_Part):
    kind: Literal["linear"] = "linear"
    version: Literal[1] = 1
    weights: FileName


class LightgbmSpec(_Part):
    kind: Literal["lightgbm"] = "lightgbm"
    version: Literal[1] = 1
    text: FileName


ModelSpec = Annotated[LinearSpec | LightgbmSpec, Field(discriminator="kind")]


class Softmax(_Part):
    """Probabilities are softmax(slope x decision): Platt's scaling for more than two classes, by one number."""

    kind: Literal["softmax"] = "softmax"
    version: Literal[1] = 1
    slope: float = Field(gt=0, le=1e6)


class Manifest(_Part):
    """What the bundle is and the digests of its files; the steps' outputs stand side by side in their order."""

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    task: Literal["classification"] = "classification"
    input: Literal["article_text"] = "article_text"
    labels: tuple[str, ...] = Field(min_length=2, max_length=1000)
    taxonomy_version: str = ""
    family: str = ""
    preprocessing: tuple[PreprocessingStep, ...] = Field(min_length=1, max_length=4)
    model: ModelSpec
    calibration: Softmax
    files: dict[FileName, File] = Field(max_length=MAX_FILES)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be unique")
        named = {getattr(part, key) for part in (*self.preprocessing, self.model) for key in FILE_KEYS & _keys(part)}
        if named != set(self.files):
            raise ValueError(f"files lists {sorted(self.files)}, but the steps and the model use {sorted(named)}")
        return self

    def canonical(self) -> bytes:
        """The manifest's one spelling: sorted keys, no spaces, ASCII."""
        content = self.model_dump(mode="json")
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @property
    def digest(self) -> str:
        """Names the model: it covers every file by its own digest."""
        return hashlib.sha256(self.canonical()).hexdigest()


FILE_KEYS = {"vocabulary", "weights", "center", "tokenizer", "text"}


def _keys(part: BaseModel) -> set[str]:
    return set(type(part).model_fields)


def parse_manifest(content: bytes) -> Manifest:
    """Raises BundleError that says what in the manifest is unknown or wrong."""
    try:
        parsed: Any = json.loads(content)
        return Manifest.model_validate_json(json.dumps(parsed))
    except (ValueError, RecursionError, ValidationError) as error:
        raise BundleError(f"{MANIFEST} is refused: {error}. Load it with the pressrun that wrote it.") from error
