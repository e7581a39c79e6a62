"""What a family of your own must do: `check_family(YourFamily())` in a test of yours."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from pressrun.bundle.models import Lightgbm, Linear
from pressrun.training.families import Family
from pressrun.training.teacher import Codes, Reals


def check_family(family: Family) -> None:
    """Raises AssertionError that says which promise of `Family` is broken."""
    features, targets, weights = _examples()
    model = family.fit(features=features, targets=targets, weights=weights, classes=4, seed=3)
    assert isinstance(model, (Linear, Lightgbm)), f"fit must answer a Linear or a Lightgbm, not {type(model).__name__}"
    decisions = model.decisions(features)
    assert decisions.shape == (len(targets), 4), f"decisions must be one a class, got {decisions.shape} for 4 classes"
    assert np.isfinite(decisions).all(), "decisions must be finite"
    assert (decisions.argmax(axis=1) != 3).all(), "a class without examples must not win"
    assert (decisions.argmax(axis=1) == targets).mean() > 0.9, "three topics far apart must be told apart"
    again = family.fit(features=features, targets=targets, weights=weights, classes=4, seed=3).decisions(features)
    assert np.array_equal(decisions, again), "the same examples and seed must give the same model"


def _examples() -> tuple[sparse.csr_matrix, Codes, Reals]:
    """Three of four classes, far apart."""
    generator = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 40)
    rows = 3.0 * np.eye(3)[targets] + generator.normal(scale=0.2, size=(120, 3))
    return sparse.csr_matrix(rows), targets, np.ones(120)
