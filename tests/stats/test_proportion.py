import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressrun.stats import clopper_pearson_interval, proportion_difference_interval, wilson_interval


def test_newcombes_own_examples_are_met() -> None:
    """Table II of Newcombe (1998), method 10."""
    for (x1, n1, x2, n2), expected in {
        (56, 70, 48, 80): (0.2000, 0.0524, 0.3339),
        (9, 10, 3, 10): (0.6000, 0.1705, 0.8090),
        (5, 56, 0, 29): (0.0893, -0.0381, 0.1926),
        (10, 10, 0, 10): (1.0000, 0.6075, 1.0000),
    }.items():
        assert proportion_difference_interval(x1, n1, x2, n2)[:3] == pytest.approx(expected, abs=6e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_estimate_and_stay_shares(counts: tuple[int, int]) -> None:
    for interval in (wilson_interval(*counts), clopper_pearson_interval(*counts)):
        assert 0 <= interval.low <= interval.estimate + 1e-12
        assert interval.estimate - 1e-12 <= interval.high <= 1


def test_none_of_thirty_is_below_three_in_thirty() -> None:
    assert clopper_pearson_interval(0, 30).high == pytest.approx(0.1157, abs=1e-4)
    assert clopper_pearson_interval(30, 30).low == pytest.approx(1 - 0.1157, abs=1e-4)


def test_impossible_counts_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="x must be <= 3, got 4"):
        wilson_interval(4, 3)
    with pytest.raises(ValueError, match="n2 must be >= 1, got 0"):
        proportion_difference_interval(1, 2, 0, 0)
    with pytest.raises(ValueError, match="alpha must be < 1, got 1"):
        wilson_interval(1, 2, alpha=1)
    with pytest.raises(TypeError, match="must be a number, got '1'"):
        wilson_interval("1", 2)  # type: ignore[arg-type]
