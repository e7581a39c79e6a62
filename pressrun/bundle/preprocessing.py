"""The declared steps from an article's text to features, each in a few lines: there is no other code to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.static_embeddings import StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf


class Preprocessing(Protocol):
    """Texts to (n, d) features."""

    @property
    def dimensions(self) -> int: ...

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix: ...


@dataclass(frozen=True, kw_only=True)
class CenteredEmbeddings:
    """Static embeddings less the training texts' mean, times `scale`."""

    embeddings: StaticEmbeddings
    center: NDArray[np.float32]
    scale: float = 1.0

    @property
    def dimensions(self) -> int:
        return self.embeddings.dimensions

    def place(self, rows: NDArray[np.float32]) -> sparse.csr_matrix:
        """The features of texts that are embedded already."""
        return sparse.csr_matrix((rows.astype(np.float64) - self.center) * self.scale)

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        return self.place(self.embeddings.embed(texts))


DeclaredStep: TypeAlias = Tfidf | CenteredEmbeddings | HashedNgrams
"""All there is: what else turns texts into features is no part of a model."""


def features(steps: Sequence[DeclaredStep], texts: Sequence[str]) -> sparse.csr_matrix:
    """The steps' outputs side by side, (n, sum of dimensions)."""
    found = [step.transform(texts) for step in steps]
    return found[0] if len(found) == 1 else sparse.hstack(found, format="csr")
