"""What turns features into decisions, and decisions into probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pressrun.bundle.trees import Lightgbm, Rows, Scores

__all__ = ["FeatureModel", "Lightgbm", "Linear", "Model", "Scores", "softmax"]


class Model(Protocol):
    """`decisions` gives each row of features (n, d) one number a class, (n, k), or one number, (n, 1)."""

    def decisions(self, features: Rows) -> Scores: ...


@dataclass(frozen=True, kw_only=True)
class Linear:
    """`coefficients` (k, d) and `intercept` (k,)."""

    coefficients: NDArray[np.float32]
    intercept: NDArray[np.float32]

    @cached_property
    def _columns(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.coefficients.T, dtype=np.float64)

    def decisions(self, features: Rows) -> Scores:
        return np.asarray(features @ self._columns + self.intercept)


FeatureModel: TypeAlias = Linear | Lightgbm
"""All there is for features; a `Transformer` reads texts."""


def softmax(decisions: Scores, slope: float = 1.0) -> Scores:
    """Rows that sum to one."""
    shifted = slope * (decisions - decisions.max(axis=1, keepdims=True))
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
