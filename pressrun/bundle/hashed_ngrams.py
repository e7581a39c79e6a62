"""Hashed word n-grams, column for column as scikit-learn's HashingVectorizer with the options named here.

Fixed options: lowercase, token_pattern `(?u)\\b\\w\\w+\\b`, alternate signs, rows scaled to length one. The hash is
MurmurHash3 (Appleby 2011) with seed 0; nothing is learned, so nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pressrun.bundle.tfidf import ngrams, of_length_one, words

_LEAST = -(2**31)


@dataclass(frozen=True, kw_only=True)
class HashedNgrams:
    """`columns` is how many columns there are; n-grams that meet in one are added with their signs."""

    columns: int
    ngram_range: tuple[int, int] = (1, 2)

    @property
    def dimensions(self) -> int:
        return self.columns

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """(n, d) rows of length one; a text without a word is a row of zeros."""
        import mmh3  # who only fetches a bundle need not have it

        def hashes(text: str) -> list[int]:
            grams = ngrams(words(text), *self.ngram_range)
            return [mmh3.hash(gram.encode("utf-8", "surrogatepass"), 0) for gram in grams]

        found = [hashes(text) for text in texts]
        ends = np.cumsum([0, *map(len, found)])
        hashed = np.fromiter((value for row in found for value in row), dtype=np.int64, count=ends[-1])
        signs = np.where(hashed >= 0, 1.0, -1.0)
        rows = sparse.csr_matrix((signs, self._places(hashed), ends), shape=(len(texts), self.columns))
        rows.sum_duplicates()
        row = np.repeat(np.arange(len(texts)), np.diff(rows.indptr))
        rows.data = of_length_one(rows.data, row, len(texts))
        return rows

    def _places(self, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The column of each hash; the least one has no 32-bit magnitude, and scikit-learn's answer for it."""
        least = (2**31 - 1 - (self.columns - 1)) % self.columns
        return np.where(hashes == _LEAST, least, np.abs(hashes) % self.columns)
