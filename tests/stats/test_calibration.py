import numpy as np
import pytest

from pressrun.stats import calibration_error


def _answers(shift: float, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.4, 0.8, rows)
    return confidence + shift, rng.random(rows) < confidence


def test_a_calibrated_model_may_be_calibrated() -> None:
    assert calibration_error(*_answers(0.0)).low < 0.02


def test_a_boastful_model_is_seen_by_how_much() -> None:
    found = calibration_error(*_answers(0.2))
    assert found.low < 0.2 < found.high
    assert found.low > 0.1
    assert sum(bin.samples for bin in found.bins) == found.samples == 600


def test_one_confidence_for_all_is_one_bin() -> None:
    found = calibration_error(np.full(100, 0.9), np.arange(100) < 70)
    assert len(found.bins) == 1
    assert found.error == pytest.approx(0.2)


def test_confidence_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        calibration_error(np.array([1.2]), np.array([True]))
