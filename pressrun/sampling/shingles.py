"""Near-duplicates by the words they share: minima of hashed shingles propose pairs, exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); one permutation for all minima: Li, Owen, Zhang, "One
Permutation Hashing" (2012), with empty bins filled as in Shrivastava, "Optimal Densification for Fast and Accurate
Minwise Hashing" (2017); banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", ch. 3. All of it is
the same on every machine and in every process.

A shingle is two words in a row: many articles have forty words, where longer shingles make one changed word weigh too
much.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from pressrun.sampling.words import MAX_CHARACTERS, Hashes, Words, mixed, words_of

__all__ = ["BANDS", "MAX_CHARACTERS", "buckets", "missed", "rows_of_band", "shingled", "shingles"]

MINIMA = 64
"""Minima of a text. Bands draw on the same ones in other combinations: more would take longer to fill."""
BANDS = 24
MISSED = 0.01
"""Share of the pairs just as similar as asked for that may meet in no band; of more similar ones it is far less."""
_MOST_ROWS = 8
_BATCH = 512
_NOTHING = np.uint64(0x6E6F7468696E6721)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@lru_cache(maxsize=16)
def rows_of_band(threshold: float) -> int:
    """How many minima a band compares: as many as miss at most MISSED of the pairs just as similar as that."""
    return max((rows for rows in range(2, _MOST_ROWS + 1) if missed(threshold, rows) <= MISSED), default=1)


def missed(similarity: float, rows: int) -> float:
    """The share of the pairs of that similarity that meet in no band of `rows` minima.

    Each of the MINIMA is the same for both with a chance that is their similarity; of those that are, each band draws.
    """
    return sum(_chance(same, similarity) * (1 - (same / MINIMA) ** rows) ** BANDS for same in range(MINIMA + 1))


def _chance(same: int, similarity: float) -> float:
    return comb(MINIMA, same) * similarity**same * (1 - similarity) ** (MINIMA - same)


def shingles(text: str) -> Hashes:
    """The distinct word shingles of a text as sorted 64-bit hashes; a text of fewer words is one shingle."""
    return np.unique(shingled([text]).hashes)


def shingled(texts: Sequence[str]) -> Words:
    """The shingles of n texts in the place of their words, with repeats; each text has at least one."""
    words = words_of(texts)
    lasts = np.cumsum(words.counts) - 1
    found = mixed(words.hashes * np.uint64(31) + np.append(words.hashes[1:], np.uint64(0)))
    alone = lasts[words.counts == 1]
    found[alone] = mixed(words.hashes[alone])
    found = np.delete(found, lasts[words.counts > 1])
    counts = np.maximum(words.counts - 1, 1)
    wordless = np.flatnonzero(words.counts == 0)
    places = (np.cumsum(counts) - counts)[wordless] - np.arange(len(wordless))
    return Words(hashes=np.insert(found, places, _NOTHING), counts=counts)


def buckets(texts: Sequence[str], rows: int) -> NDArray[np.int64]:
    """One bucket a band of `rows` minima, (n, BANDS): near-duplicates share at least one with high probability."""
    parts = [_buckets(texts[start : start + _BATCH], rows) for start in range(0, len(texts), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, BANDS), dtype=np.int64)


def _buckets(texts: Sequence[str], rows: int) -> NDArray[np.int64]:
    minima = np.ascontiguousarray(_minima(shingled(texts)).T)
    bands = np.zeros((BANDS, len(texts)), dtype=np.uint64)
    for drawn in _drawn(rows):
        bands = mixed(bands * np.uint64(31) + minima[drawn])
    # The band is part of the bucket, so that different bands never meet.
    return mixed(np.add(bands.T, np.arange(BANDS, dtype=np.uint64))).view(np.int64)


@lru_cache(maxsize=_MOST_ROWS)
def _drawn(rows: int) -> NDArray[np.int64]:
    """Which minima a band compares, (rows, BANDS): no two bands the same, none one minimum twice."""
    whole = MINIMA // rows * rows
    shuffled = _orders()[:whole, : -(-BANDS * rows // whole)]
    return shuffled.T.reshape(-1, rows)[:BANDS].T


def _minima(found: Words) -> Hashes:
    """The least hash of each of the bins that a text's shingles fall into, (n, MINIMA)."""
    bins = ((found.hashes >> np.uint64(32)) * np.uint64(MINIMA)) >> np.uint64(32)
    firsts = np.repeat(np.arange(len(found.counts), dtype=np.int64) * MINIMA, found.counts)
    minima = np.full(len(found.counts) * MINIMA, _EMPTY)
    np.minimum.at(minima, firsts + bins.view(np.int64), found.hashes)
    return _densified(minima).reshape(-1, MINIMA)


def _densified(minima: Hashes) -> Hashes:
    """Each empty bin takes the minimum of the first bin that is not, in an order of its own."""
    filled, left = minima.copy(), np.flatnonzero(minima == _EMPTY)
    bins = left % MINIMA
    firsts = left - bins
    for order in _orders():
        taken = minima[firsts + order[bins]]
        filled[left] = taken
        empty = np.flatnonzero(taken == _EMPTY)
        if not len(empty):
            break
        left, bins, firsts = left[empty], bins[empty], firsts[empty]
    return filled


@lru_cache(maxsize=1)
def _orders() -> NDArray[np.int64]:
    """(MINIMA, MINIMA): column b is the order in which bin b asks the others."""
    numbers = mixed(np.arange(1, MINIMA * MINIMA + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(numbers.reshape(MINIMA, MINIMA), axis=0)
