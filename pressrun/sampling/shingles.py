"""Near-duplicates by the words they share: MinHash proposes pairs, exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); banding as in Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", ch. 3. All of it is the same on every machine and in every process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

WORDS = 2
"""Words a shingle: many articles have forty words, where longer shingles make one changed word weigh too much."""
BANDS, ROWS = 32, 4
"""Two articles of Jaccard similarity s meet in a band with chance 1 - (1 - s^4)^32: 0.87 at 0.5, 0.9999999 at 0.8."""
MAX_CHARACTERS = 20_000
"""A longer article is compared by its beginning, so that one hostile row cannot take the machine's memory."""
_WORD = re.compile(r"\w+")
_BATCH = 256


def shingles(text: str) -> Hashes:
    """The distinct word shingles of a text as sorted 64-bit hashes; a text of fewer words is one shingle."""
    words = _WORD.findall(text[:MAX_CHARACTERS].casefold())
    hashes = np.array([_word_hash(word) for word in words], dtype=np.uint64)
    if len(hashes) < WORDS:
        return np.array([_word_hash(" ".join(words))], dtype=np.uint64)
    mixed = np.zeros(len(hashes) - WORDS + 1, dtype=np.uint64)
    for offset in range(WORDS):
        mixed = _mix(mixed * np.uint64(31) + hashes[offset : len(hashes) - WORDS + 1 + offset])
    return np.unique(mixed)


def jaccard(one: Hashes, other: Hashes) -> float:
    """Shared shingles over all of both."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def buckets(texts: Sequence[str]) -> NDArray[np.int64]:
    """One bucket a band, (n, BANDS): near-duplicates share at least one with high probability."""
    parts = [_buckets(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, BANDS), dtype=np.int64)


def _buckets(texts: Sequence[str]) -> NDArray[np.int64]:
    sets = [shingles(text) for text in texts]
    starts = np.cumsum([0, *(len(s) for s in sets[:-1])])
    everything = np.concatenate(sets)
    signature = np.empty((len(texts), BANDS * ROWS), dtype=np.uint64)
    for column, salt in enumerate(_salts()):
        signature[:, column] = np.minimum.reduceat(_mix(np.asarray(everything ^ salt, dtype=np.uint64)), starts)
    bands = np.zeros((len(texts), BANDS), dtype=np.uint64)
    for row in range(ROWS):
        bands = _mix(np.asarray(bands * np.uint64(31) + signature[:, row::ROWS], dtype=np.uint64))
    # The band is part of the bucket, so that different bands never meet.
    return _mix(np.asarray(bands + np.arange(BANDS, dtype=np.uint64), dtype=np.uint64)).view(np.int64)


def _mix(values: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the result hangs on every bit given."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)


@lru_cache(maxsize=1)
def _salts() -> Hashes:
    return _mix(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


@lru_cache(maxsize=200_000)
def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big")
