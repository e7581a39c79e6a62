from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from tests.bundle.attempts import Attempt, attempting


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


@pytest.fixture(scope="module")
def attempt() -> Iterator[Callable[..., Attempt]]:
    """Loads a bundle in a child process and says what came of it."""
    with attempting() as made:
        yield made


@pytest.fixture
def refused(attempt: Callable[..., Attempt], tmp_path: Path) -> Callable[..., Attempt]:
    """Asserts that a bundle is refused by name of file and rule, ran nothing, opened nothing else, took little."""

    def check(folder: Path, *words: str, digest: str | None = None, memory: int = 64 * 2**20) -> Attempt:
        found = attempt(folder, digest=digest)
        assert found.kind == "BundleError", found
        assert all(word in found.error for word in words), found.error
        assert len(found.error) < 2000
        assert not found.opened
        assert not found.ran
        assert found.taken < memory
        assert found.seconds < 20
        assert not (tmp_path / "ran").exists()
        return found

    return check
