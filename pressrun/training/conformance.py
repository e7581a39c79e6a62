"""The conformance tests of families and features, for a test of yours:

from pressrun.training.conformance import assert_family, assert_feature

def test_mine_is_a_family() -> None:
    assert_family(Mine, options={"depth": 3})
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import DeclaredStep, features
from pressrun.config.uses import assert_made
from pressrun.training.errors import TrainingError
from pressrun.training.families import Family
from pressrun.training.features import Feature, declared
from pressrun.training.teacher import Codes, Reals

TEXTS = (
    "Home side wins the cup final\nA late goal decided the match for the home side.",
    "Shares fall\nMarkets fell as the bank reported a loss; shares of the bank fell most.",
    "Election in the north\nVoters chose a new parliament.",
    "\n",
    "Ärger über Öl\nПрезидент 株価 naïve café 3.5% U.S.",
)


def assert_family(family: type[Family], *, options: Mapping[str, object] | None = None) -> None:
    """Raises AssertionError unless `family` fits models that tell topics apart; the same for the same examples.

    `family` is what `uses` names.
    """
    made = assert_made(family, Family, options)
    rows, targets, weights = _examples()
    model = made.fit(features=rows, targets=targets, weights=weights, classes=4, seed=3)
    assert isinstance(model, (Linear, Lightgbm)), f"fit must answer a Linear or a Lightgbm, not {type(model).__name__}"
    decisions = model.decisions(rows)
    assert decisions.shape == (len(targets), 4), f"decisions must be one a class, got {decisions.shape} for 4 classes"
    assert np.isfinite(decisions).all(), "decisions must be finite"
    assert (decisions.argmax(axis=1) != 3).all(), "a class without examples must not win"
    assert (decisions.argmax(axis=1) == targets).mean() > 0.9, "three topics far apart must be told apart"
    again = made.fit(features=rows, targets=targets, weights=weights, classes=4, seed=3).decisions(rows)
    assert np.array_equal(decisions, again), "the same examples and seed must give the same model"


def assert_feature(
    feature: type[Feature], *, options: Mapping[str, object] | None = None, texts: Sequence[str] = TEXTS
) -> None:
    """Raises AssertionError unless `feature` learns a step that a bundle holds and serves without its code.

    `feature` is what `uses` names. Give texts of your own where it finds nothing in these.
    """
    step, again = (_learned(feature, options, texts) for _ in range(2))
    rows = step.transform(texts)
    assert rows.shape == (len(texts), step.dimensions), f"transform gives {rows.shape} for {len(texts)} texts"
    assert step.dimensions, "the step has no column: it learned nothing from these texts"
    assert np.isfinite(rows.toarray()).all(), "features must be finite, whatever the text"
    assert rows.count_nonzero(), "no text of these has any feature: does the step read words as they are cut here?"
    bundle = _bundle_of(step)
    assert bundle.digest == _bundle_of(again).digest, "the same texts must give the same step"
    served = features(bundle.steps, texts)
    assert np.array_equal(rows.toarray(), served.toarray()), "the bundle serves other features than were learned"


def _learned(feature: type[Feature], options: Mapping[str, object] | None, texts: Sequence[str]) -> DeclaredStep:
    made = assert_made(feature, Feature, options)
    try:
        return declared(made.fit(texts), type(made).__name__)
    except TrainingError as error:
        raise AssertionError(str(error)) from error


def _bundle_of(step: DeclaredStep) -> Bundle:
    zeros = np.zeros((2, step.dimensions), dtype=np.float32)
    model = Linear(coefficients=zeros, intercept=np.zeros(2, dtype=np.float32))
    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        folder = Path(scratch) / "bundle"
        return write_bundle(folder, name="conformance", labels=["a", "b"], steps=[step], model=model, slope=1.0)


def _examples() -> tuple[sparse.csr_matrix, Codes, Reals]:
    """Three of four classes, far apart."""
    generator = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 40)
    rows = 3.0 * np.eye(3)[targets] + generator.normal(scale=0.2, size=(120, 3))
    return sparse.csr_matrix(rows), targets, np.ones(120)
