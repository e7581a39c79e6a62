"""The articles of one training, read once: embeddings and TF-IDF rows that every fit shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep
from pressrun.bundle.preprocessing import features as features_of
from pressrun.bundle.static_embeddings import package_embeddings, unit_rows
from pressrun.bundle.tfidf import MAX_CHARACTERS, Tfidf
from pressrun.bundle.transformer import Transformer
from pressrun.config.pipeline import Own
from pressrun.training.features import fit_feature
from pressrun.training.teacher import Codes, Reals

Answers: TypeAlias = Callable[[Sequence[str]], Reals]
"""Texts to one number a class, (n, k)."""
MAX_FEATURES = 50_000
HASHED_COLUMNS = 2**18
"""A night's articles have some ten thousand n-grams: few of them meet in one column."""
_SCALE = 1.5


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """`embeddings` (n, 256) are centered unit rows for the teacher; `features` (n, d) are what the `steps` make."""

    texts: tuple[str, ...]
    embeddings: Reals
    features: sparse.csr_matrix
    steps: tuple[DeclaredStep, ...]

    def some(self, places: Codes) -> list[str]:
        """The texts at these places."""
        return [self.texts[place] for place in places]

    def decisions(self, model: Linear | Lightgbm | Transformer, places: Codes) -> Reals:
        """The model's answers, (m, k), for the articles at `places` (m,)."""
        return model.decisions(self.read(model, places))

    def read(self, model: Linear | Lightgbm | Transformer, places: Codes) -> Any:
        """What such a model reads of the articles at `places`: a transformer their texts, any other their features."""
        return self.some(places) if isinstance(model, Transformer) else self.features[places]

    def answers(self, model: Linear | Lightgbm | Transformer) -> Answers:
        """The model with all that it needs to answer for texts, as its bundle will."""
        if isinstance(model, Transformer):
            return model.decisions
        return lambda texts: model.decisions(features_of(self.steps, texts))


def read_corpus(texts: Sequence[str], *, features: Sequence[str | Own] = ("tfidf", "static")) -> Corpus:
    """Learns the vocabulary, its weights and the embeddings' center from the texts; labels play no part.

    Raises ConfigError and TrainingError for a feature of the user's own, as `fit_feature` does.
    """
    embeddings = package_embeddings()
    rows = embeddings.embed(texts)
    center = rows.mean(axis=0)
    placed = CenteredEmbeddings(embeddings=embeddings, center=center, scale=_SCALE)

    def column(feature: str | Own) -> tuple[DeclaredStep, sparse.csr_matrix]:
        if feature == "static":
            return placed, placed.place(rows)
        if feature == "hashed":
            step: DeclaredStep = HashedNgrams(columns=HASHED_COLUMNS)
        else:
            step = learn_tfidf(texts) if isinstance(feature, str) else fit_feature(feature, texts)
        return step, step.transform(texts)

    columns = [column(feature) for feature in features]
    return Corpus(
        texts=tuple(texts),
        embeddings=unit_rows(rows - center).astype(np.float64),
        features=sparse.hstack([part for _, part in columns], format="csr"),
        steps=tuple(step for step, _ in columns),
    )


def learn_tfidf(texts: Sequence[str]) -> Tfidf:
    """The vocabulary and idf that scikit-learn's TfidfVectorizer learns from the texts."""
    often = 2 if len(texts) >= 100 else 1
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=often, max_features=MAX_FEATURES, sublinear_tf=True)
    vectorizer.fit(text[:MAX_CHARACTERS] for text in texts)
    vocabulary = {gram: int(column) for gram, column in vectorizer.vocabulary_.items()}
    return Tfidf(vocabulary=vocabulary, idf=vectorizer.idf_.astype(np.float32).astype(np.float64))
