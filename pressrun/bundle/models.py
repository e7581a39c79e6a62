"""What turns features into decisions, and decisions into probabilities. numpy, scipy and LightGBM's own reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    import lightgbm

Scores = NDArray[np.float64]


class Model(Protocol):
    """`decisions` gives each row of features (n, d) one number a class, (n, k)."""

    def decisions(self, features: sparse.csr_matrix) -> Scores: ...


@dataclass(frozen=True, kw_only=True)
class Linear:
    """`coefficients` (k, d) and `intercept` (k,)."""

    coefficients: NDArray[np.float32]
    intercept: NDArray[np.float32]

    @cached_property
    def _columns(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.coefficients.T, dtype=np.float64)

    def decisions(self, features: sparse.csr_matrix) -> Scores:
        return np.asarray(features @ self._columns + self.intercept)


@dataclass(frozen=True, kw_only=True)
class Lightgbm:
    """A multiclass booster in LightGBM's text format."""

    text: str = field(repr=False)

    @cached_property
    def _booster(self) -> lightgbm.Booster:
        import lightgbm  # a bundle of another family must not need it

        return lightgbm.Booster(model_str=self.text)

    def decisions(self, features: sparse.csr_matrix) -> Scores:
        raw = self._booster.predict(features, raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64)


def softmax(decisions: Scores, slope: float = 1.0) -> Scores:
    """Rows that sum to one."""
    shifted = slope * (decisions - decisions.max(axis=1, keepdims=True))
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
