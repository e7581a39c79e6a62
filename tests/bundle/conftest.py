from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Bundle]:
    """Writes a small model of two topics into a folder below tmp_path."""

    def make(folder: str = "bundle", slope: float = 2.0) -> Bundle:
        tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
        weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
        model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
        return write_bundle(
            tmp_path / folder, name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=slope
        )

    return make
