import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from pressrun.stats import compare_classifiers, confusion


def _predictions(seed: int, rows: int, accuracy: float, target: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < accuracy, target, rng.integers(0, 4, rows))


def _target(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, rows)


def test_estimates_are_those_of_scikit_learn() -> None:
    target = _target(300)
    first, second = _predictions(1, 300, 0.8, target), _predictions(2, 300, 0.7, target)
    found = compare_classifiers(target, first, second, classes=4, resamples=100)
    assert found.macro_f1.candidate == pytest.approx(f1_score(target, first, average="macro"))
    assert found.macro_f1.champion == pytest.approx(f1_score(target, second, average="macro"))
    assert found.accuracy.candidate == pytest.approx(accuracy_score(target, first))
    assert [metric.candidate for metric in found.f1] == pytest.approx(list(f1_score(target, first, average=None)))
    assert (confusion(target, first, classes=4) == confusion_matrix(target, first)).all()


def test_the_interval_is_that_of_the_bootstrap_done_by_hand() -> None:
    target = _target(200)
    first, second = _predictions(1, 200, 0.8, target), _predictions(2, 200, 0.7, target)
    found = compare_classifiers(target, first, second, classes=4, resamples=4000).accuracy
    rng = np.random.default_rng(9)
    gains = [
        (first[i] == target[i]).mean() - (second[i] == target[i]).mean() for i in rng.integers(0, 200, (4000, 200))
    ]
    expected = np.quantile(gains, [0.025, 0.975])
    assert [found.difference_low, found.difference_high] == pytest.approx(list(expected), abs=0.012)


def test_pairing_makes_like_models_comparable() -> None:
    target = _target(400)
    first = _predictions(1, 400, 0.8, target)
    second = first.copy()
    second[:4] = (target[:4] + 1) % 4
    found = compare_classifiers(target, first, second, classes=4).macro_f1
    assert found.difference_high - found.difference_low < 0.03 < found.high - found.low


def test_copies_of_one_story_do_not_count_as_many() -> None:
    target = np.repeat(_target(50), 8)
    predicted = np.repeat(_predictions(1, 50, 0.7, _target(50)), 8)
    alone = compare_classifiers(target, predicted, classes=4).accuracy
    grouped = compare_classifiers(target, predicted, classes=4, clusters=np.repeat(np.arange(50), 8)).accuracy
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_a_class_nobody_named_is_left_out_of_the_macro_mean() -> None:
    target = np.array([0, 1] * 50)
    found = compare_classifiers(target, target, classes=3, resamples=100)
    assert found.macro_f1.candidate == 1
    assert np.isnan(found.f1[2].candidate)
    assert found.f1[2].samples == 0


def test_predictions_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predictions 1 must be within 0\.\.1, got 0\.\.2"):
        compare_classifiers(np.array([0, 1, 1]), np.array([0, 1, 2]), classes=2)
