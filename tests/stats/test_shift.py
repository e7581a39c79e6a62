import numpy as np
import pytest

from pressrun.stats import mean_shift, permuted_distance_p_value, share_shift


def _topics(shares: list[float], rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(len(shares), rows, p=shares)


def test_a_topic_that_grew_is_named_with_its_interval() -> None:
    found = share_shift(_topics([0.24, 0.76], 800, 1), _topics([0.41, 0.59], 800, 2), classes=2)
    assert found.real
    assert found.distance.low < 0.17 < found.distance.high
    assert found.changes[0].low > 0.08
    assert found.changes[1].high < -0.08


def test_noise_has_a_distance_but_is_not_real() -> None:
    found = share_shift(_topics([0.25] * 4, 200, 1), _topics([0.25] * 4, 200, 2), classes=4)
    assert found.distance.estimate > 0
    assert not found.real


def test_one_much_read_article_is_no_shift() -> None:
    reference = _topics([0.5, 0.5], 300, 1)
    current = np.concatenate([_topics([0.5, 0.5], 150, 2), np.zeros(150, dtype=np.int64)])
    clusters = np.concatenate([np.arange(150), np.full(150, 999)])
    assert share_shift(reference, current, classes=2).real
    assert not share_shift(reference, current, classes=2, current_clusters=clusters).real


def test_a_mean_that_fell_is_seen() -> None:
    rng = np.random.default_rng(3)
    found = mean_shift(rng.normal(0.8, 0.1, 500), rng.normal(0.7, 0.1, 500))
    assert found.estimate == pytest.approx(-0.1, abs=0.02)
    assert found.high < -0.08


def _p_value(before: np.ndarray, after: np.ndarray, clusters: np.ndarray | None = None) -> float:
    each = np.arange(len(before))
    mine = np.arange(len(after)) if clusters is None else clusters
    return permuted_distance_p_value(before, after, reference_clusters=each, current_clusters=mine, resamples=200)


def test_chance_is_called_a_shift_no_more_often_than_promised_and_a_shift_has_the_least_p_value() -> None:
    rng = np.random.default_rng(4)
    chance = [_p_value(rng.normal(60, 15, 200), rng.normal(60, 15, 200)) for _ in range(20)]
    assert sum(p <= 0.05 for p in chance) <= 4
    assert _p_value(rng.normal(60, 15, 300), rng.normal(75, 15, 300)) == pytest.approx(1 / 201)


def test_requests_for_one_article_are_one_observation_of_its_features() -> None:
    rng = np.random.default_rng(5)
    before = rng.normal(60, 15, 300)
    after = np.concatenate([rng.normal(60, 15, 100), np.full(200, 85.0)])
    clusters = np.concatenate([np.arange(100), np.full(200, 999)])
    assert _p_value(before, after) < 0.01
    assert _p_value(before, after, clusters) > 0.05
