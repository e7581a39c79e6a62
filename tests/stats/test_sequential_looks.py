"""Evidence over many windows: false alarms at any look, and what moves it."""

from __future__ import annotations

import numpy as np
import pytest

from pressrun.stats.sequential import (
    BOUNDS,
    LOG_ODDS,
    LOG_ODDS_WEIGHTS,
    Dispersion,
    bucketed,
    count_e_values,
    factor,
    grown,
    invested,
    latency_tilts,
    log_e_values,
    log_total,
    mean_sequence,
    no_dispersion,
    quantile_sequence,
    times,
    widened,
)

CANARIES = 1500


def alarms(ours: list[np.ndarray], theirs: list[np.ndarray], alpha: float = 0.05) -> np.ndarray:
    """At which window each canary alarms, 0 for never; 50 and 100 requests a window."""
    wealth, at = None, np.zeros(len(ours[0]), dtype=int)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        log_e = count_e_values(LOG_ODDS, mine, np.full_like(mine, 50), other, np.full_like(other, 100))
        wealth = grown(wealth, log_e, number=number, log_weights=LOG_ODDS_WEIGHTS)
        hit = (log_total(wealth, number=number) >= np.log(1 / alpha)) & (at == 0)
        at[hit] = number
    return at


def test_equal_arms_alarm_at_most_as_often_as_promised_however_their_common_rate_moves() -> None:
    rng = np.random.default_rng(5)
    rates = 1 / (1 + np.exp(3 - np.cumsum(rng.normal(0, 0.3, (60, CANARIES)), axis=0)))
    at = alarms([rng.binomial(50, rate) for rate in rates], [rng.binomial(100, rate) for rate in rates])
    assert (at > 0).mean() < 0.05


def test_what_turns_bad_late_is_found_nearly_as_soon() -> None:
    rng = np.random.default_rng(6)
    ours = [rng.binomial(50, 0.02 if number < 100 else 0.2, 200) for number in range(130)]
    at = alarms(ours, [rng.binomial(100, 0.02, 200) for _ in range(130)])
    assert np.quantile(at, 0.9) < 100 + 12
    assert (at > 0).all()


def test_all_that_is_put_in_adds_up_to_one() -> None:
    assert sum(invested(number) for number in range(1, 100_000)) == pytest.approx(1, abs=1e-5)
    assert float(log_total(np.log([0.9]), number=1)) == pytest.approx(0)


def seen_over(residuals: np.ndarray) -> Dispersion:
    seen = no_dispersion(residuals.shape[1])
    for one in residuals:
        seen = widened(seen, one)
    return seen


def test_the_dispersion_of_fair_draws_is_one_and_of_bursts_that_last_is_found() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(128, 400))
    assert (factor(seen_over(noise)) > 1).mean() < 0.1
    lasting = np.zeros((128, 400))
    for number in range(1, 128):
        lasting[number] = 0.8 * lasting[number - 1] + rng.normal(size=400)
    assert np.median(factor(seen_over(noise + lasting))) > 5


def test_a_slow_body_and_a_slow_tail_are_both_found_and_scores_rise() -> None:
    rng = np.random.default_rng(8)
    champion = bucketed(rng.lognormal(3, 0.5, 3000))
    tilts = latency_tilts(champion)
    assert (np.diff(tilts, axis=1) >= 0).all()
    slower = bucketed(1.2 * rng.lognormal(3, 0.5, 300))
    tail = bucketed(rng.lognormal(3, 0.5, 1000) * np.where(np.arange(1000) % 50, 1, 20))
    fair = bucketed(rng.lognormal(3, 0.5, 1000))
    best = [log_e_values(tilts, one, champion).max() for one in (slower, tail, fair)]
    assert best[0] > 6
    assert best[1] > 6
    assert best[2] < 3


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.5, 2.0])
def test_latencies_times_a_factor_are_bounded_from_both_sides(ratio: float) -> None:
    milliseconds = np.random.default_rng(9).lognormal(2, 1, 500)
    counts = bucketed(milliseconds)
    exact = bucketed(np.maximum(milliseconds, 5.0) * ratio).cumsum()
    up, down = (times(counts, BOUNDS, ratio=ratio, floor=5.0, up=side).cumsum() for side in (True, False))
    assert (up <= exact).all()
    assert (exact <= down).all()
    assert up[-1] == down[-1] == 500


def test_the_quantiles_interval_holds_at_every_look() -> None:
    rng, missed = np.random.default_rng(10), 0
    for _ in range(60):
        drawn = rng.lognormal(3, 1, 2000)
        found = [quantile_sequence(bucketed(drawn[:t]), BOUNDS, 0.9, 0.05) for t in (50, 200, 500, 2000)]
        truth = np.exp(3 + 1.2816)
        missed += any(not one.low <= truth <= one.high for one in found)
    assert missed <= 3
    assert found[-1].high < 2 * truth


def test_the_means_interval_holds_and_narrows() -> None:
    rng = np.random.default_rng(11)
    found = [mean_sequence(rng.binomial(1, 0.3, 500)) for _ in range(40)]
    assert sum(one.low <= 0.3 <= one.high for one in found) >= 37
    assert all(one.high - one.low < 0.25 for one in found)
    assert mean_sequence([-1.0, 1.0] * 50, low=-1, high=1).estimate == pytest.approx(0)
    with pytest.raises(ValueError, match=r"within \[0.0, 1.0\]"):
        mean_sequence([2.0])
