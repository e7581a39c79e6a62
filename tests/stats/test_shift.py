import numpy as np
import pytest

from pressrun.stats import mean_shift, share_shift


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
