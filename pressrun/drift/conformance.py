"""The conformance test of own drift tests, for a test of yours:

from pressrun.drift.conformance import assert_drift_test

def test_mine_is_a_drift_test() -> None:
    assert_drift_test(mine)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pressrun.config.pipeline import Drift
from pressrun.config.uses import assert_made
from pressrun.drift.own import DriftTest
from pressrun.verdict import Assertion, Comparison


def assert_drift_test(test: Any, *, options: Mapping[str, object] | None = None) -> None:
    """Raises AssertionError unless `test` answers, on like windows and on shifted ones, and always the same.

    `test` is what `uses` names: a function, or a class made as Name(**options).
    """
    made = assert_made(test, DriftTest, options)
    reference = example_predictions(seed=1)
    for current in (example_predictions(seed=2), example_predictions(seed=2, world=0.8)):
        first, second = (list(made(reference, current, Drift())) for _ in range(2))
        assert all(isinstance(item, Comparison | Assertion) for item in first), "give Comparison or Assertion"
        assert all(item.reason for item in first), "every check needs a reason in words"
        assert first == second, "the same windows must give the same checks"


def example_predictions(
    *, rows: int = 400, world: float = 0.25, confidence: float = 0.8, tokens: float = 60.0, seed: int = 0
) -> pa.Table:
    """Made-up predictions: `world` is the share of World among three topics, `tokens` the mean of the only feature."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["World", "Sports", "Business"], rows, p=[world, (1 - world) / 2, (1 - world) / 2])
    features = [[("tokens", float(n))] for n in rng.normal(tokens, 15, rows)]
    return pa.table(
        {
            "article_id": [f"a{seed}-{number}" for number in range(rows)],
            "label": labels.tolist(),
            "confidence": np.clip(rng.normal(confidence, 0.1, rows), 0, 1),
            "features": pa.array(features, pa.map_(pa.string(), pa.float64())),
        }
    )
