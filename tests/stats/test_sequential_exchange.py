"""E-values of one window: exact, with mean one when the arms do not differ."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from pressrun.stats.sequential import allowed_e_values, budget_e_values, count_e_values, log_e_values


def draws_of(pooled: tuple[int, ...], drawn: int) -> list[tuple[tuple[int, ...], float]]:
    """Every way that a fair draw may fall into the buckets, with its probability."""
    ways = [way for way in product(*(range(count + 1) for count in pooled)) if sum(way) == drawn]
    chances = [np.prod([comb(a, b) for a, b in zip(pooled, way, strict=True)]) for way in ways]
    return [(way, float(chance) / comb(sum(pooled), drawn)) for way, chance in zip(ways, chances, strict=True)]


@given(
    pooled=st.lists(st.integers(0, 4), min_size=2, max_size=4).filter(lambda counts: sum(counts) > 1),
    scores=st.lists(st.floats(-4, 4), min_size=4, max_size=4), data=st.data(),
)  # fmt: skip
def test_the_mean_of_an_e_value_over_all_fair_draws_is_one(
    pooled: list[int], scores: list[float], data: st.DataObject
) -> None:
    drawn = data.draw(st.integers(0, sum(pooled)))
    ways = draws_of(tuple(pooled), drawn)
    ours = np.array([way for way, _ in ways])
    log_e = log_e_values([scores[: len(pooled)]], ours, np.array(pooled) - ours)[:, 0]
    assert float(np.exp(log_e) @ [chance for _, chance in ways]) == pytest.approx(1, abs=1e-9)


@given(total=st.integers(2, 3000), data=st.data(), log_odds=st.floats(-6, 6))
def test_for_two_buckets_it_is_fishers_noncentral_hypergeometric(
    total: int, data: st.DataObject, log_odds: float
) -> None:
    drawn = data.draw(st.integers(1, total - 1))
    errors = data.draw(st.integers(0, total))
    least, most = max(0, drawn + errors - total), min(errors, drawn)
    ours = data.draw(st.integers(least, most))
    possible = np.arange(least, most + 1)
    normaliser = np.logaddexp.reduce(hypergeom.logpmf(possible, total, errors, drawn) + log_odds * possible)
    found = count_e_values([log_odds], [ours], [drawn], [errors - ours], [total - drawn])[0, 0]
    assert found == pytest.approx(log_odds * ours - normaliser, abs=1e-7)


def test_windows_that_differ_much_are_each_as_exact_as_alone() -> None:
    rng = np.random.default_rng(3)
    totals = rng.integers(2, 3000, 200)
    ours = np.array([rng.multinomial(int(n * rng.random()), [0.5, 0.3, 0.2]) for n in totals])
    theirs = np.array([rng.multinomial(n, rng.dirichlet([1, 1, 1])) for n in totals])
    tilts = [[0.0, 0.3, 1.0], [0.0, -1.0, -3.0]]
    together = log_e_values(tilts, ours, theirs)
    alone = np.concatenate([log_e_values(tilts, [a], [b]) for a, b in zip(ours, theirs, strict=True)])
    assert np.abs(together - alone).max() < 1e-7


@given(st.lists(st.integers(0, 30), min_size=8, max_size=8), st.integers(0, 2))
def test_an_e_value_falls_with_each_request_that_the_candidate_answers_better(counts: list[int], bucket: int) -> None:
    ours, theirs = np.array(counts[:4]), np.array(counts[4:])
    ours[bucket + 1] += 1
    better = ours - np.eye(4, dtype=int)[bucket + 1] + np.eye(4, dtype=int)[bucket]
    tilt = [[0.0, 0.4, 0.5, 2.0]]
    assert log_e_values(tilt, better, theirs)[0, 0] <= log_e_values(tilt, ours, theirs)[0, 0] + 1e-9


def test_a_window_without_the_other_arm_says_nothing() -> None:
    assert count_e_values([1.0], [5, 0], [10, 0], [0, 3], [0, 10]).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(("allowance", "ours", "theirs"), [(0.05, 0.0595, 0.01), (-0.05, 0.01, 0.0595)])
def test_at_the_allowance_the_mean_of_an_e_value_is_one(allowance: float, ours: float, theirs: float) -> None:
    rng = np.random.default_rng(1)
    windows = [(rng.binomial(60, ours), 60, rng.binomial(90, theirs), 90) for _ in range(600)]
    e_values = np.exp([allowed_e_values([-0.7, 0.7], *window, allowances=[allowance])[0] for window in windows])
    assert e_values.mean(axis=0) == pytest.approx([1, 1], abs=0.12)


def test_without_errors_non_inferiority_needs_no_more_than_the_rule_of_three() -> None:
    shown = float(allowed_e_values([-5.0], 0, 300, 0, 2700, allowances=[0.01])[0, 0])
    assert shown == pytest.approx(3.0, abs=0.1)


def test_a_share_against_its_budget_has_mean_one_at_the_budget() -> None:
    found = np.arange(21)
    log_e = budget_e_values([0.7, -0.7], found, np.full(21, 20), budget=0.4)
    chances = [comb(20, x) * 0.4**x * 0.6 ** (20 - x) for x in found]
    assert (np.exp(log_e).T @ chances).tolist() == pytest.approx([1, 1])
