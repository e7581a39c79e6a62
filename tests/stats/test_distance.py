import pytest
from scipy.spatial.distance import jensenshannon

from pressrun.stats import jensen_shannon_distance, population_stability_index, total_variation


def test_distances_agree_with_their_definitions() -> None:
    first, second = [10, 20, 70], [30, 30, 40]
    assert total_variation(first, second) == pytest.approx(0.3)
    assert jensen_shannon_distance(first, second) == pytest.approx(jensenshannon(first, second, base=2))
    assert population_stability_index(first, second) == pytest.approx(0.4282, abs=1e-4)


def test_nothing_moved_is_zero_and_an_empty_category_is_finite() -> None:
    assert total_variation([1, 2], [2, 4]) == jensen_shannon_distance([1, 2], [2, 4]) == 0
    assert 0 < population_stability_index([1, 0], [1, 1]) < 10


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="second distribution"):
        total_variation([1, 2], [0, 0])
    with pytest.raises(ValueError, match="shapes"):
        total_variation([1, 2], [1, 2, 3])
