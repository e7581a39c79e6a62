import numpy as np
import pytest

from pressrun.stats import quantile_interval, quantile_ratio_interval


def test_a_thrice_slower_tail_is_seen_and_an_equal_one_is_not() -> None:
    rng = np.random.default_rng(1)
    champion, same = rng.lognormal(1, 0.3, 2000), rng.lognormal(1, 0.3, 500)
    slow = quantile_ratio_interval(same * 3, champion, 0.99, 0.05, 7)
    equal = quantile_ratio_interval(same, champion, 0.99, 0.05, 7)
    assert slow.low > 2
    assert slow.high < 4.5
    assert equal.low < 1 < equal.high


def test_the_ratio_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(200):
        interval = quantile_ratio_interval(rng.lognormal(0, 0.3, 400), rng.lognormal(0, 0.3, 400), 0.9, 0.1, seed, 400)
        held += interval.low <= 1 <= interval.high
    assert 0.84 <= held / 200 <= 0.96


def test_a_seed_gives_the_same_interval() -> None:
    values = np.arange(1.0, 300.0)
    assert quantile_ratio_interval(values, values, seed=3) == quantile_ratio_interval(values, values, seed=3)


def test_order_statistics_bound_the_median_as_the_tables_say() -> None:
    interval = quantile_interval(np.arange(1, 21), 0.5)
    assert (interval.low, interval.high) == (6, 15)


def test_too_few_values_leave_a_tail_unbounded() -> None:
    assert quantile_interval(np.arange(1, 51), 0.99).high == float("inf")


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        quantile_ratio_interval([], [1.0])
    with pytest.raises(ValueError, match="positive values"):
        quantile_ratio_interval([0.0, 1.0], [1.0])
