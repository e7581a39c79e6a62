"""A policy's chances are what the page is drawn with."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from pressrun.simulator.policy import CONTROL, TREATMENT, Policy, chances, draw, given_above

PAGES = {
    "even": [1 / 8] * 8,
    "steep": [0.7, 0.1, 0.1, 0.05, 0.03, 0.02],
    "one for all": [0.97, 0.01, 0.01, 0.005, 0.005],
    "no more than the page holds": [0.5, 0.3, 0.2],
}


def counted(weights: list[float], *, size: int) -> np.ndarray:
    """(n, size) chances by going through every page there is."""
    chance = np.zeros((len(weights), size))
    for page in permutations(range(len(weights)), min(size, len(weights))):
        above = np.cumsum([0, *(weights[i] for i in page)])[:-1]
        whole = np.prod([weights[i] / (1 - taken) for i, taken in zip(page, above, strict=True)])
        chance[page, range(len(page))] += whole
    return chance


def computed(weights: list[float], *, size: int) -> np.ndarray:
    level, inverse, count = np.unique(weights, return_inverse=True, return_counts=True)
    return chances(level[None], count[None], size=size)[0][inverse]


@pytest.mark.parametrize("name", PAGES)
def test_a_chance_is_exact(name: str) -> None:
    assert np.allclose(computed(PAGES[name], size=4), counted(PAGES[name], size=4), atol=5e-9)


def test_each_position_of_a_large_page_is_filled_for_certain() -> None:
    scores = np.round(np.random.default_rng(1).normal(size=1000), 1)
    level, inverse, count = np.unique(scores, return_inverse=True, return_counts=True)
    weight = CONTROL.weights(level, count)
    chance = chances(weight[None], count[None], size=8)[0]
    assert np.allclose((chance * count[:, None]).sum(axis=0), 1, atol=1e-8)
    assert np.isclose(weight[inverse].sum(), 1)
    assert (chance[inverse].sum(axis=1) < 1).all()


def test_pages_are_drawn_by_these_chances_and_hold_nothing_twice() -> None:
    weights, slates = np.array(PAGES["steep"]), np.arange(40_000)
    pages = draw(weights, slates, size=4, key="test")
    assert all(len(set(page)) == 4 for page in pages[:2000].tolist())
    seen = np.stack([np.bincount(pages[:, k], minlength=len(weights)) for k in range(4)], axis=1) / len(slates)
    exact = counted(PAGES["steep"], size=4)
    assert (abs(seen - exact) < 4 * np.sqrt(exact * (1 - exact) / len(slates)) + 1e-9).all()


def test_the_chances_given_what_stands_above_multiply_to_the_chance_of_the_page() -> None:
    weights = np.array(PAGES["steep"])
    pages = np.array(list(permutations(range(len(weights)), 3)))
    whole = given_above(weights[pages]).prod(axis=1)
    assert np.isclose(whole.sum(), 1)
    assert np.allclose(whole[(pages[:, 0] == 2)].sum(), weights[2])


@pytest.mark.parametrize("policy", [CONTROL, TREATMENT], ids=lambda policy: policy.arm)
def test_exploration_may_put_any_article_anywhere(policy: Policy) -> None:
    scores, count = np.array([-3.0, 0.0, 3.0]), np.array([10, 80, 10])
    assert policy.weights(scores, count).min() > policy.exploration / 100
    assert (chances(policy.weights(scores, count)[None], count[None], size=5) > 0).all()
