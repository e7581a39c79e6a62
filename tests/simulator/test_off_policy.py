"""From one policy's log, another's clicks: the estimate by propensities is right, the naive one is not."""

from __future__ import annotations

import numpy as np
import pytest

from pressrun.simulator import Newsroom
from pressrun.simulator.clicks import attraction
from pressrun.simulator.pages import pages_of, shelf_of
from pressrun.simulator.population import readers_on
from pressrun.simulator.readers import shown_of, terms_of
from pressrun.simulator.values import expected_clicks
from pressrun.simulator.writing import written_of
from tests.simulator.conftest import Played

WAYS = [("control", "treatment"), ("treatment", "control")]


def estimate(played: Played, logged: str, wanted: str) -> tuple[np.ndarray, np.ndarray]:
    """Clicks of each slate that `logged` filled: weighted for `wanted` (Horvitz-Thompson), and as they are."""
    log = played.shown[played.shown.arm == logged]
    weighted = log.clicked * log[f"propensity_{wanted}"] / log.propensity
    return (values.groupby(log.slate_id).sum().to_numpy() for values in (weighted, log.clicked))


@pytest.mark.parametrize(("logged", "wanted"), WAYS)
def test_the_estimate_by_propensities_is_unbiased_and_the_naive_one_is_not(
    steady: Played, logged: str, wanted: str
) -> None:
    slates = steady.slates[steady.slates.arm == logged]
    truth = slates[f"expected_clicks_{wanted}"].mean()
    weighted, naive = estimate(steady, logged, wanted)
    assert len(weighted) == len(slates) > 2000
    assert abs(weighted.mean() - truth) < 1.96 * weighted.std() / np.sqrt(len(weighted))
    assert abs(naive.mean() - truth) > 2.58 * naive.std() / np.sqrt(len(naive))


@pytest.mark.parametrize(("logged", "wanted"), WAYS)
def test_weights_are_one_on_average_at_every_position(steady: Played, logged: str, wanted: str) -> None:
    log = steady.shown[steady.shown.arm == logged]
    for _, weight in (log[f"propensity_{wanted}"] / log.propensity).groupby(log.position):
        assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(len(weight))


def test_the_logged_propensity_is_that_of_the_arm_that_chose(steady: Played) -> None:
    shown = steady.shown
    own = np.where(shown.arm == "treatment", shown.propensity_treatment, shown.propensity_control)
    assert (shown.propensity == own).all()
    assert shown.propensity.between(0, 1, inclusive="neither").all()


@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_slates_are_clicked_as_often_as_their_policy_was_to_expect(steady: Played, arm: str) -> None:
    clicks = steady.shown.groupby("slate_id").clicked.sum()
    slates = steady.slates[steady.slates.arm == arm].set_index("slate_id")
    rest = clicks[slates.index] - slates[f"expected_clicks_{arm}"]
    assert abs(rest.mean()) < 3 * rest.std() / np.sqrt(len(rest))


def test_expected_clicks_are_the_sum_over_all_articles_and_positions() -> None:
    newsroom, night = Newsroom(articles_per_night=120, impressions_per_article=4), 1
    shelf, readers = shelf_of(newsroom, night, list(written_of(newsroom, night))), readers_on(newsroom, night)
    *_, shown = shown_of(newsroom, night, shelf, readers)
    page, examine = shown.page, np.array(newsroom.world.examination)
    pairs = attraction(terms_of(shelf, readers, shown.slates, np.arange(page.first, page.end)[None]))
    expected = expected_clicks(newsroom, night, shown, shelf, readers)
    for arm in (0, 1):
        placed = [page.chance[arm, level, k] * examine[k] for level in page.level[arm] for k in range(5)]
        assert np.allclose(expected[arm], pairs.repeat(5, axis=1) @ placed)
    assert pages_of(shelf, [page.hour], size=5)[0].end == page.end
