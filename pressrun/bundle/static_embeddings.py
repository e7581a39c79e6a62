"""Static word embeddings: a text is the mean of its tokens' vectors, scaled to length one.

Weights and tokenizer are those of the wordllama package (https://github.com/dleemiller/WordLlama, l2_supercat, 256
dimensions), read from the package's own files: its 0.4.0.post1 looks for the tokenizer elsewhere and would download it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import sparse
from tokenizers import Tokenizer

from pressrun.bundle.tokens import Tokens

Floats = NDArray[np.float32]

WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
TENSOR = "embedding.weight"
MAX_CHARACTERS = 20_000
"""A longer text is embedded by its beginning: news says first what it is about, and time stays bounded."""
_BATCH = 512


class StaticEmbeddings:
    """Token vectors (v, d) and the tokenizer that goes with them."""

    def __init__(self, *, weights: Floats, tokenizer: Tokenizer) -> None:
        self.weights = np.ascontiguousarray(weights, dtype=np.float32)
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self._tokens = Tokens(self.tokenizer)

    @classmethod
    def load(cls, *, weights: Path, tokenizer: Path) -> StaticEmbeddings:
        """Reads a safetensors file and a tokenizers JSON file; neither can run code."""
        tensor = load_file(weights)[TENSOR]
        return cls(weights=tensor, tokenizer=Tokenizer.from_file(str(tokenizer)))

    @property
    def dimensions(self) -> int:
        return int(self.weights.shape[1])

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit rows (n, d); a text with no token is a row of zeros."""
        if not len(texts):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.vstack([self._batch(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)])

    def _batch(self, texts: Sequence[str]) -> Floats:
        ids = self._tokens.ids([text[:MAX_CHARACTERS].strip() for text in texts])
        ends = np.cumsum([0, *map(len, ids)])
        columns = np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=ends[-1])
        np.clip(columns, 0, len(self.weights) - 1, out=columns)
        counts = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(ids), len(self.weights)))
        return unit_rows(np.asarray(counts @ self.weights, dtype=np.float32))


def unit_rows(rows: Floats) -> Floats:
    """Each row over its length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def package_files() -> tuple[Path, Path]:
    """The installed package's weights and tokenizer, found without importing it.

    Raises FileNotFoundError when the package or its files are missing.
    """
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package wordllama is not installed; run `uv sync`")
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = (folder / WEIGHTS, folder / TOKENIZER)
    for path in found:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing from the package wordllama; reinstall wordllama>=0.4")
    return found


@cache
def package_embeddings() -> StaticEmbeddings:
    """The package's embeddings, read once a process."""
    weights, tokenizer = package_files()
    return StaticEmbeddings.load(weights=weights, tokenizer=tokenizer)


def embed(texts: Sequence[str]) -> Floats:
    """The texts' embeddings, (n, 256) float32 in unit rows; a text with nothing in it is a row of zeros."""
    return package_embeddings().embed(texts)
