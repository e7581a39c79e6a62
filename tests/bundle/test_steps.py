"""A bundle of several steps, some of one kind: each comes back as it went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from pressrun.bundle import BundleError, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep, features
from pressrun.bundle.static_embeddings import StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.write import stored

TEXTS = ["goal for the home side", "shares of the home bank", ""]


def tfidf(*words: str) -> Tfidf:
    return Tfidf(vocabulary={word: k for k, word in enumerate(words)}, idf=np.linspace(1, 2, len(words)))


def table(seed: int = 1) -> CenteredEmbeddings:
    """A table of three words in four dimensions, of numbers that need more digits than a bundle keeps."""
    tokenizer = Tokenizer(WordLevel({"goal": 0, "shares": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    embeddings = StaticEmbeddings(weights=weights, tokenizer=tokenizer)
    return CenteredEmbeddings(embeddings=embeddings, center=np.full(4, 0.1, dtype=np.float32))


def test_steps_of_one_kind_keep_files_of_their_own(tmp_path: Path) -> None:
    steps: list[DeclaredStep] = [tfidf("goal", "shares"), table(1), tfidf("home", "bank", "side"), table(2)]
    held = [stored(step) for step in steps]
    width = sum(step.dimensions for step in steps)
    model = Linear(coefficients=np.ones((2, width), dtype=np.float32), intercept=np.zeros(2, dtype=np.float32))
    bundle = write_bundle(tmp_path / "b", name="topics", labels=["a", "b"], steps=steps, model=model, slope=1.0)
    assert {"tfidf.safetensors", "tfidf_3.safetensors", "static_4.safetensors"} <= set(bundle.manifest.files)
    assert np.array_equal(features(bundle.steps, TEXTS).toarray(), features(held, TEXTS).toarray())


@pytest.mark.parametrize("step", [tfidf("goal", "shares"), table()])
def test_a_stored_step_is_stored_as_it_is(step: DeclaredStep) -> None:
    once = stored(step)
    assert np.array_equal(once.transform(TEXTS).toarray(), stored(once).transform(TEXTS).toarray())
    assert np.allclose(once.transform(TEXTS).toarray(), step.transform(TEXTS).toarray(), atol=1e-3)


def test_a_vocabulary_with_a_gap_is_refused() -> None:
    with pytest.raises(BundleError, match="columns 0 to 1"):
        stored(Tfidf(vocabulary={"goal": 0, "shares": 2}, idf=np.ones(2)))


def test_a_table_too_large_for_a_bundle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressrun.bundle.write.MAX_FILE_BYTES", 100)
    with pytest.raises(BundleError, match=r"tfidf_vocabulary\.json has 190 bytes, a bundle's file has 100 at the most"):
        stored(tfidf(*(f"word{n}" for n in range(20))))


def test_unknown_words_are_counted_by_the_widest_vocabulary(tmp_path: Path) -> None:
    steps = [tfidf("goal"), tfidf("goal", "home", "side")]
    model = Linear(coefficients=np.ones((2, 4), dtype=np.float32), intercept=np.zeros(2, dtype=np.float32))
    bundle = write_bundle(tmp_path / "b", name="topics", labels=["a", "b"], steps=steps, model=model, slope=1.0)
    assert bundle.features("goal home side bank")["unknown_share"] == 0.25
