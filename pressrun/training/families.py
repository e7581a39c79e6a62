"""Families of models: each turns weighted examples into a model that a bundle can hold.

A family of the user's own (`uses: package.module:Name`) follows `Family`; `pressrun.training.conformance` tests it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from pressrun.bundle.models import Lightgbm, Linear
from pressrun.config.load import resolve_uses
from pressrun.config.pipeline import FamilySpec
from pressrun.training.teacher import Codes, Reals

THREADS = 2
_NEVER = -10.0


class Family(Protocol):
    """`fit` must give the same model for the same input and seed. Its answer is data: serving runs none of its code."""

    def fit(
        self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int
    ) -> Linear | Lightgbm:
        """`features` (n, d), `targets` (n,) in 0..classes-1, `weights` (n,) above 0.

        Two classes at least are present, not always all; the model still decides between all of them.
        """
        ...


class Svm:
    """Linear SVM, one class against the rest (liblinear)."""

    def __init__(self, *, c: float = 0.5) -> None:
        self.c = c

    def fit(self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int) -> Linear:
        from sklearn.svm import LinearSVC

        machine = LinearSVC(C=self.c, random_state=seed, max_iter=300, tol=1e-3)
        machine.fit(features, targets, sample_weight=weights)
        return _one_row_a_class(np.asarray(machine.coef_), machine.intercept_, machine.classes_, classes)


def _one_row_a_class(coefficients: Reals, intercept: Reals, present: Codes, classes: int) -> Linear:
    """Undoes scikit-learn's single row for two classes, and puts classes without examples far below the others."""
    if len(present) == 2:
        coefficients, intercept = np.vstack([-coefficients, coefficients]), np.hstack([-intercept, intercept])
    rows = np.zeros((classes, coefficients.shape[1]), dtype=np.float32)
    offsets = np.full(classes, _NEVER, dtype=np.float32)
    rows[present], offsets[present] = coefficients, intercept
    return Linear(coefficients=rows, intercept=offsets)


class BoostedTrees:
    """LightGBM, multiclass, small and deterministic."""

    def __init__(self, *, rounds: int = 60, leaves: int = 15) -> None:
        self.rounds = rounds
        self.leaves = leaves

    def fit(self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int) -> Lightgbm:
        import lightgbm

        data = lightgbm.Dataset(features, label=targets, weight=weights, params={"verbose": -1})
        booster = lightgbm.train(self._settings(classes, seed), data, num_boost_round=self.rounds)
        return Lightgbm(text=booster.model_to_string())

    def _settings(self, classes: int, seed: int) -> dict[str, Any]:
        return {
            "objective": "multiclass",
            "num_class": classes,
            "num_leaves": self.leaves,
            "learning_rate": 0.15,
            "feature_fraction": 0.3,
            "min_data_in_leaf": 5,
            "max_bin": 63,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": THREADS,
            "verbose": -1,
        }


_BUILT_IN: Mapping[str, type[Svm] | type[BoostedTrees]] = {"svm": Svm, "lightgbm": BoostedTrees}


def family(spec: str | FamilySpec) -> tuple[str, Family]:
    """The family's name and the family. Raises ConfigError that names what could not be found."""
    if isinstance(spec, str):
        return spec, _BUILT_IN[spec]()
    made: Family = resolve_uses(spec.uses, Family)(**spec.options)
    return spec.name, made
