"""TF-IDF over word n-grams, token for token as scikit-learn's TfidfVectorizer with the options named here.

Fixed options: lowercase, token_pattern `(?u)\\b\\w\\w+\\b`, smooth idf, rows scaled to length one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_WORD = re.compile(r"(?u)\b\w\w+\b")
MAX_CHARACTERS = 100_000
"""A longer text is read by its beginning, so that one article cannot hold a server up."""


def words(text: str) -> list[str]:
    """The text's tokens, lowercase, of two letters or digits and more."""
    return _WORD.findall(text[:MAX_CHARACTERS].lower())


def ngrams(tokens: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    """Runs of `shortest` to `longest` tokens, joined by a space."""
    for size in range(shortest, longest + 1):
        for start in range(len(tokens) - size + 1):
            yield " ".join(tokens[start : start + size])


@dataclass(frozen=True, kw_only=True)
class Tfidf:
    """`vocabulary` gives each n-gram its column, `idf` (d,) its weight."""

    vocabulary: dict[str, int]
    idf: NDArray[np.float64]
    ngram_range: tuple[int, int] = (1, 2)
    sublinear_tf: bool = True

    @property
    def dimensions(self) -> int:
        return len(self.idf)

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """(n, d) rows of length one; a text with no known n-gram is a row of zeros."""
        rows = [self._row(text) for text in texts]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        columns = np.concatenate([columns for columns, _ in rows] or [np.zeros(0, np.int32)])
        values = np.concatenate([values for _, values in rows] or [np.zeros(0)])
        return sparse.csr_matrix((values, columns, ends), shape=(len(rows), self.dimensions))

    def _row(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        lookup = self.vocabulary.get
        found = (lookup(gram) for gram in ngrams(words(text), *self.ngram_range))
        counts = Counter(column for column in found if column is not None)
        columns = np.fromiter(sorted(counts), dtype=np.int32, count=len(counts))
        times = np.fromiter((counts[column] for column in columns.tolist()), dtype=np.float64, count=len(counts))
        weights = (np.log(times) + 1 if self.sublinear_tf else times) * self.idf[columns]
        length = float(np.sqrt(weights @ weights))
        return columns, weights / length if length else weights
