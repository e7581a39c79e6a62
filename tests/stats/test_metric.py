"""Any metric, resampled as the built-in ones are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pressrun.stats import Answers, compare_classifiers, compare_metric

CLASSES = 3


def accuracy(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
    return float((target == predicted).mean())


def rows(right: float, *, seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = np.arange(count) % CLASSES
    return target, np.where(rng.random(count) < right, target, (target + 1) % CLASSES)


@pytest.mark.parametrize("grouped", [False, True])
def test_accuracy_gets_the_interval_that_the_built_in_one_gets(grouped: bool) -> None:
    target, candidate = rows(0.9, seed=1)
    champion = rows(0.8, seed=2)[1]
    clusters = np.arange(300) // 6 if grouped else np.arange(300)
    own = compare_metric(
        accuracy, target, Answers(candidate), Answers(champion), clusters=clusters, resamples=4000, seed=5
    )
    built_in = compare_classifiers(
        target, candidate, champion, classes=CLASSES, clusters=clusters, resamples=4000, seed=5
    ).accuracy
    assert (own.candidate, own.champion, own.difference, own.samples) == pytest.approx(
        (built_in.candidate, built_in.champion, built_in.difference, built_in.samples)
    )
    for bound in ("low", "high", "difference_low", "difference_high"):
        assert getattr(own, bound) == pytest.approx(getattr(built_in, bound), abs=0.01), bound


def test_both_models_are_resampled_together_so_equal_ones_never_differ() -> None:
    target, said = rows(0.7, seed=3)
    own = compare_metric(accuracy, target, Answers(said), Answers(said.copy()), clusters=np.arange(300))
    assert (own.difference_low, own.difference_high) == (0.0, 0.0)
    assert own.low < own.candidate < own.high


def test_near_duplicates_move_together_which_widens_the_interval() -> None:
    target, said = rows(0.7, seed=4)
    target, said, clusters = np.repeat(target, 5), np.repeat(said, 5), np.repeat(np.arange(300), 5)
    apart = compare_metric(accuracy, target, Answers(said), clusters=np.arange(1500))
    together = compare_metric(accuracy, target, Answers(said), clusters=clusters)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_probabilities_are_drawn_with_their_rows() -> None:
    target, said = rows(0.8, seed=6)
    certain = np.eye(CLASSES)[said]

    def agrees(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
        assert probabilities is not None
        return float((probabilities.argmax(axis=1) == predicted).mean())

    found = compare_metric(agrees, target, Answers(said, certain), clusters=np.arange(300))
    assert (found.low, found.candidate, found.high) == (1.0, 1.0, 1.0)


def test_draws_without_a_value_are_left_out() -> None:
    target, said = np.array([0] * 20 + [1]), np.array([0] * 20 + [1])

    def recall_of_one(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
        held = target == 1
        return float((predicted[held] == 1).mean()) if held.any() else math.nan

    found = compare_metric(recall_of_one, target, Answers(said), clusters=np.arange(21))
    assert (found.low, found.high) == (1.0, 1.0)


def nothing(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
    return math.nan


def words(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
    return "0.8"  # type: ignore[return-value]


@pytest.mark.parametrize(("metric", "said"), [(nothing, "nan"), (words, "'0.8'")])
def test_a_metric_that_gives_no_number_on_the_rows_themselves_is_refused(metric: object, said: str) -> None:
    target, predicted = rows(0.8, seed=1)
    with pytest.raises(ValueError, match=said):
        compare_metric(metric, target, Answers(predicted), clusters=np.arange(300))  # type: ignore[arg-type]


def test_the_rows_given_stay_as_they_are() -> None:
    target, predicted = rows(0.8, seed=1)

    def spoils(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
        target[:] = 0
        return 1.0

    with pytest.raises(ValueError, match="read-only"):
        compare_metric(spoils, target, Answers(predicted), clusters=np.arange(300))
    assert target.any()
