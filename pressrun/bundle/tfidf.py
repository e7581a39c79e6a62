"""TF-IDF over word n-grams, token for token as scikit-learn's TfidfVectorizer with the options named here.

Fixed options: lowercase, token_pattern `(?u)\\b\\w\\w+\\b`, smooth idf, rows scaled to length one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# From the first letter on, so that no boundary needs a look: the same words as `token_pattern` finds.
_WORD = re.compile(r"\w\w+")
MAX_CHARACTERS = 100_000
"""A longer text is read by its beginning, so that one article cannot hold a server up."""
_SHORT = 10_000


def words(text: str) -> Sequence[str]:
    """The text's tokens, lowercase, of two letters or digits and more."""
    return _remembered(text) if len(text) <= _SHORT else _found(text[:MAX_CHARACTERS])


def _found(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


# A request's article is read by the model, and then by who describes it.
_remembered = lru_cache(maxsize=64)(_found)


def ngrams(tokens: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    """Runs of `shortest` to `longest` tokens, joined by a space."""
    for size in range(shortest, longest + 1):
        yield from map(" ".join, zip(*(tokens[start:] for start in range(size)), strict=False))


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
        found = [self._columns(text) for text in texts]
        ends = np.cumsum([0, *map(len, found)])
        columns = np.fromiter(chain.from_iterable(found), dtype=np.int32, count=ends[-1])
        rows = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(texts), self.dimensions))
        rows.sum_duplicates()
        self._weigh(rows)
        return rows

    def _columns(self, text: str) -> list[int]:
        """The column of each known n-gram of a text, with repeats."""
        grams = ngrams(words(text), *self.ngram_range)
        return [column for column in map(self.vocabulary.get, grams) if column is not None]

    def _weigh(self, rows: sparse.csr_matrix) -> None:
        """Turns counts into weights, in place."""
        if self.sublinear_tf:
            rows.data = np.log(rows.data) + 1
        rows.data *= self.idf[rows.indices]
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        rows.data /= np.sqrt(np.bincount(row, weights=rows.data**2, minlength=rows.shape[0]))[row]
