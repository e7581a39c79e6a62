"""The parts that `bundle.json` may name: steps, models and calibrations; each kind is known here or refused."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}\.(safetensors|json|txt|onnx)$")]
FILE_KEYS = frozenset({"vocabulary", "weights", "center", "tokenizer", "text", "graph"})
MAX_COLUMNS = 2**22
MAX_TOKENS = 8192


class Part(BaseModel):
    """Frozen, and without a key that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def file_names(self) -> set[str]:
        """The bundle's files that this part is read from."""
        return {getattr(self, key) for key in FILE_KEYS & set(type(self).model_fields)}


class TfidfStep(Part):
    """Word n-grams; `tokens` names a fixed tokenisation, never a pattern from the file."""

    step: Literal["tfidf"] = "tfidf"
    version: Literal[1] = 1
    tokens: Literal["words_of_two_and_more"] = "words_of_two_and_more"
    ngrams: tuple[Annotated[int, Field(ge=1, le=3)], Annotated[int, Field(ge=1, le=3)]] = (1, 2)
    sublinear_tf: bool = True
    vocabulary: FileName
    weights: FileName


class StaticStep(Part):
    """Mean token vectors of length one, less `center` (in `weights`), times `scale`."""

    step: Literal["static_embeddings"] = "static_embeddings"
    version: Literal[1] = 1
    scale: float = Field(default=1.0, gt=0, le=100)
    weights: FileName
    center: FileName
    tokenizer: FileName


class HashedStep(Part):
    """Word n-grams, each in the column and with the sign of its hash (scikit-learn's HashingVectorizer)."""

    step: Literal["hashed_ngrams"] = "hashed_ngrams"
    version: Literal[1] = 1
    tokens: Literal["words_of_two_and_more"] = "words_of_two_and_more"
    ngrams: tuple[Annotated[int, Field(ge=1, le=3)], Annotated[int, Field(ge=1, le=3)]] = (1, 2)
    columns: int = Field(ge=1, le=MAX_COLUMNS)


class TokenizerStep(Part):
    """Token ids for an `onnx` model: `tokenizer` is a file of the library tokenizers, special tokens included."""

    step: Literal["tokenizer"] = "tokenizer"
    version: Literal[1] = 1
    tokenizer: FileName
    max_tokens: int = Field(ge=4, le=MAX_TOKENS)


PreprocessingStep: TypeAlias = TfidfStep | StaticStep | HashedStep | TokenizerStep


class LinearSpec(Part):
    kind: Literal["linear"] = "linear"
    version: Literal[1] = 1
    weights: FileName


class LightgbmSpec(Part):
    kind: Literal["lightgbm"] = "lightgbm"
    version: Literal[1] = 1
    text: FileName


Pooling: TypeAlias = Literal["none", "mean", "cls"]
Precision: TypeAlias = Literal["fp32", "int8"]


class OnnxSpec(Part):
    """A transformer; `pooling` none: it answers (n, k) itself, else rows are made of its token states (n, t, k).

    `normalize` scales each row to length one.
    """

    kind: Literal["onnx"] = "onnx"
    version: Literal[1] = 1
    graph: FileName
    pooling: Pooling = "none"
    normalize: bool = False
    precision: Precision = "fp32"


ModelSpec: TypeAlias = LinearSpec | LightgbmSpec | OnnxSpec


class Softmax(Part):
    """Probabilities are softmax(slope x decision): Platt's scaling for more than two classes, by one number."""

    kind: Literal["softmax"] = "softmax"
    version: Literal[1] = 1
    slope: float = Field(gt=0, le=1e6)
