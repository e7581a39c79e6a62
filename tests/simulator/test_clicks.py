"""Clicks follow the model that docs/simulator.md states. Bounds are four standard deviations; seeds are fixed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, truncnorm

from pressrun.simulator.worlds import STEADY
from tests.simulator.conftest import Played

BOUND = 4.0


def off(shown: pd.DataFrame) -> float:
    """How many standard deviations the clicks are off what the chances promise."""
    chance = shown.p_click
    return float((shown.clicked.sum() - chance.sum()) / np.sqrt((chance * (1 - chance)).sum()))


def test_a_position_is_looked_at_by_its_own_chance_alone(steady: Played) -> None:
    by_position = steady.shown.groupby("position").p_examine
    assert tuple(by_position.min()) == tuple(by_position.max()) == STEADY.examination


def test_attraction_is_the_logistic_function_of_the_terms(steady: Played) -> None:
    row = steady.shown
    logit = row.taste_topic + row.taste_source + 1.5 * row.freshness + row.appeal + row.pull - row.fatigue - 2.4
    assert np.allclose(row.p_attract, 1 / (1 + np.exp(-logit)))
    assert np.allclose(row.p_click, row.p_examine * row.p_attract)


@pytest.mark.parametrize("position", range(5))
def test_clicks_at_a_position_are_as_many_as_stated(steady: Played, position: int) -> None:
    shown = steady.shown[steady.shown.position == position]
    expected = STEADY.examination[position] * shown.p_attract.mean()
    assert abs(shown.clicked.mean() - expected) < BOUND * np.sqrt(expected * (1 - expected) / len(shown))


@pytest.mark.parametrize("term", ["taste_topic", "taste_source", "freshness", "appeal", "fatigue", "p_click"])
def test_clicks_are_as_many_as_stated_at_every_level_of_a_term(steady: Played, term: str) -> None:
    ranks = steady.shown[term].rank(method="first")
    levels = [level for _, level in steady.shown.groupby(pd.qcut(ranks, 8, labels=False))]
    assert all(abs(off(level)) < BOUND for level in levels)
    rates = [level.clicked.mean() for level in levels]
    assert (rates[-1] > 1.1 * rates[0]) == (term != "fatigue")


def test_freshness_halves_every_six_hours(steady: Played) -> None:
    url, row = steady.landed.set_index("url").published_at, steady.shown
    age = (row.shown_at - pd.to_datetime(row.url.map(url), utc=True)).dt.total_seconds() / 3600
    assert age.between(0, 25).all()
    assert np.allclose(row.freshness, 0.5 ** (age / 6), atol=1e-6)


def test_each_arm_clicks_as_its_truth_says_and_the_treatment_more(steady: Played) -> None:
    arms = dict(list(steady.shown.groupby("arm")))
    assert set(arms) == {"control", "treatment"}
    assert all(abs(off(arm)) < BOUND for arm in arms.values())
    assert arms["treatment"].p_click.mean() > 1.05 * arms["control"].p_click.mean()


def test_only_a_click_has_a_dwell_time_and_its_logarithm_is_a_truncated_normal(steady: Played) -> None:
    assert steady.shown.dwell_seconds.notna().equals(steady.shown.clicked)
    read = steady.shown[steady.shown.clicked]
    mean = 3.2 + 0.25 * read.taste_topic
    low, high = ((np.log(end) - mean) / 0.8 for end in (1, 1800))
    assert read.dwell_seconds.between(1, 1800).all()
    places = truncnorm.cdf((np.log(read.dwell_seconds) - mean) / 0.8, low, high)
    assert kstest(places, "uniform").pvalue > 0.001
