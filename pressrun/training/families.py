"""Families of models: each turns weighted examples into a model that a bundle can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import sparse

from pressrun.bundle.models import Lightgbm, Linear
from pressrun.config.families import DistilledFamily, TransformerFamily
from pressrun.config.pipeline import FamilySpec, NamedOwn
from pressrun.config.uses import make_uses
from pressrun.training.reading import ReadingFamily, Workshop
from pressrun.training.teacher import Codes, Reals

if TYPE_CHECKING:
    from sklearn.svm import LinearSVC

_NEVER = -10.0
_CANDIDATES_FOR_C, _USUAL_C = (0.05, 0.2, 0.5), 0.2
_FOLDS, _MIN_TRUSTED = 3, 60
# More rows hardly change which one is best.
_MOST_ROWS = 3000


class Family(Protocol):
    """Fits models. `uses` names a class, made as Name(**options).

    `fit` must give the same model for the same input and seed. Its answer is data: serving runs none of its code.
    `pressrun.training.conformance.assert_family` tests one. A `ReadingFamily` is given articles in place of features.
    """

    def fit(
        self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int
    ) -> Linear | Lightgbm:
        """`features` (n, d), `targets` (n,) in 0..classes-1, `weights` (n,) above 0.

        Two classes at least are present, not always all; the model still decides between all of them.
        """
        ...


class Svm:
    """Linear SVM, one class against the rest (liblinear).

    `c` is how closely it follows the examples; None chooses it by cross-validation on the rows of full weight, which
    people labeled. Few and balanced topics want another than many and rare ones.
    """

    def __init__(self, *, c: float | None = None) -> None:
        self.c = c

    def fit(self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int) -> Linear:
        c = self.c or _chosen_c(features, targets, weights, seed)
        machine = _machine(c, seed).fit(features, targets, sample_weight=weights)
        return _one_row_a_class(np.asarray(machine.coef_), machine.intercept_, machine.classes_, classes)


def tuned(family: Family, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, seed: int) -> Family:
    """The family with what it chooses for itself chosen on these examples: once, for all fits of one training."""
    if not isinstance(family, Svm) or family.c is not None:
        return family
    return Svm(c=_chosen_c(features, targets, weights, seed))


def _machine(c: float, seed: int) -> LinearSVC:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=c, random_state=seed, max_iter=300, tol=1e-3)


def _chosen_c(features: sparse.csr_matrix, targets: Codes, weights: Reals, seed: int) -> float:
    """The candidate with the best macro-F1 over folds of the fully trusted rows; the usual one with too few of them."""
    from sklearn.metrics import f1_score

    trusted = np.flatnonzero(weights >= 1.0)
    if len(trusted) < _MIN_TRUSTED:
        return _USUAL_C
    rows = np.random.default_rng(seed).permutation(len(targets))[:_MOST_ROWS]
    features, targets, weights = features[rows], targets[rows], weights[rows]
    trusted = np.flatnonzero(weights >= 1.0)
    folds = [trusted[number::_FOLDS] for number in range(_FOLDS)]

    def quality(c: float) -> float:
        said = [_left_out(c, fold, features, targets, weights, seed) for fold in folds]
        truth = np.concatenate([targets[fold] for fold in folds])
        return float(f1_score(truth, np.concatenate(said), average="macro", zero_division=0.0))

    return max(_CANDIDATES_FOR_C, key=quality)


def _left_out(c: float, fold: Codes, features: sparse.csr_matrix, targets: Codes, weights: Reals, seed: int) -> Codes:
    """What a machine that has not seen the fold says of it."""
    seen = np.ones(len(targets), dtype=bool)
    seen[fold] = False
    if len(np.unique(targets[seen])) < 2:
        return np.full(len(fold), targets[seen][0] if seen.any() else 0, dtype=np.int64)
    machine = _machine(c, seed).fit(features[seen], targets[seen], sample_weight=weights[seen])
    return np.asarray(machine.predict(features[fold]), dtype=np.int64)


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
            # Many sparse columns and few rows: by column and in one thread it takes a tenth of the time.
            "force_col_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }


class Logistic:
    """Multinomial logistic regression: its loss is that of probabilities, as a student's must be.

    `c` is how closely it follows the examples.
    """

    def __init__(self, *, c: float = 0.3) -> None:
        self.c = c

    def fit(self, *, features: sparse.csr_matrix, targets: Codes, weights: Reals, classes: int, seed: int) -> Linear:
        from sklearn.linear_model import LogisticRegression

        made = LogisticRegression(C=self.c, max_iter=300).fit(features, targets, sample_weight=weights)
        return _one_row_a_class(np.asarray(made.coef_), made.intercept_, made.classes_, classes)


AnyFamily = Family | ReadingFamily
_BUILT_IN: Mapping[str, type[Svm] | type[BoostedTrees]] = {"svm": Svm, "lightgbm": BoostedTrees}
_STUDENTS: Mapping[str, type[Logistic] | type[BoostedTrees]] = {"linear": Logistic, "lightgbm": BoostedTrees}


def family(
    spec: FamilySpec, workshop: Workshop | None = None, *, before: Mapping[str, AnyFamily] | None = None
) -> tuple[str, AnyFamily]:
    """The family's name and the family; `before` holds those that a student may name as its teacher.

    Raises ConfigError that names what could not be found, or what is not installed.
    """
    workshop = workshop or Workshop()
    match spec:
        case str():
            return spec, _BUILT_IN[spec]()
        case NamedOwn():
            own: Family = make_uses(spec.uses, Family, spec.options)
            return spec.name, own
        case TransformerFamily():
            from pressrun.training.transformer import FineTuned

            return spec.name, FineTuned(spec, workshop)
        case DistilledFamily():
            from pressrun.training.distilled import Distilled, teacher_of

            teacher = teacher_of(spec, workshop, before or {})
            return spec.name, Distilled(spec, teacher=teacher, student=_STUDENTS[spec.student](), workshop=workshop)


def families(specs: Sequence[FamilySpec], workshop: Workshop) -> list[tuple[str, AnyFamily]]:
    """All of them, each with those before it. Raises ConfigError and TrainingError before any of them has worked."""
    made: dict[str, AnyFamily] = {}
    for spec in specs:
        name, one = family(spec, workshop, before=made)
        made[name] = one
    return list(made.items())
