"""TF-IDF over word n-grams, token for token as scikit-learn's TfidfVectorizer with the options named here.

Fixed options: lowercase, token_pattern `(?u)\\b\\w\\w+\\b`, smooth idf, rows scaled to length one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# From the first letter on, so that no boundary needs a look: the same words as `token_pattern` finds.
_WORD = re.compile(r"\w\w+")
MAX_CHARACTERS = 100_000
"""A longer text is read by its beginning, so that one article cannot hold a server up."""
_SHORT = 10_000
_UNKNOWN = -1


def words(text: str) -> Sequence[str]:
    """The text's tokens, lowercase, of two letters or digits and more."""
    return _remembered(text) if len(text) <= _SHORT else _found(text[:MAX_CHARACTERS])


def _found(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


# A request's article is read by the model, and then by who describes it.
_remembered = lru_cache(maxsize=64)(_found)


def ngrams(tokens: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    """Runs of `shortest` to `longest` tokens, joined by a space."""
    return chain.from_iterable(_runs(tokens, size) for size in range(shortest, longest + 1))


def _runs(tokens: Sequence[str], size: int) -> Iterable[str]:
    return tokens if size == 1 else map(" ".join, zip(*(tokens[start:] for start in range(size)), strict=False))


def of_length_one(weights: NDArray[np.float64], row: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """Weights (m,), of which each stands in a `row` (m,), scaled so that rows have length one; zeros stay zeros."""
    lengths = np.sqrt(np.bincount(row, weights=weights**2, minlength=rows))
    return np.asarray(weights / np.where(lengths > 0, lengths, 1)[row])


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
        tokens, (shortest, longest) = [words(text) for text in texts], self.ngram_range
        grams = chain.from_iterable(ngrams(one, shortest, longest) for one in tokens)
        lengths = [sum(max(0, len(one) - size + 1) for size in range(shortest, longest + 1)) for one in tokens]
        columns = np.fromiter(map(self.vocabulary.get, grams, repeat(_UNKNOWN)), dtype=np.int64, count=sum(lengths))
        # Row and column as one number, so that n-grams are counted for all texts at once.
        places = np.repeat(np.arange(len(texts)) * self.dimensions, lengths) + columns
        cells, counts = np.unique(places[columns != _UNKNOWN], return_counts=True)
        row, column = np.divmod(cells, self.dimensions)
        weights = self.idf[column] * (np.log(counts) + 1 if self.sublinear_tf else counts)
        weights = of_length_one(weights, row, len(texts))
        ends = np.searchsorted(row, np.arange(len(texts) + 1)).astype(np.int32)
        return sparse.csr_matrix((weights, column.astype(np.int32), ends), shape=(len(texts), self.dimensions))
