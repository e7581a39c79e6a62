"""Pairs of articles that share a bucket, and which of them are as similar as asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pressrun.sampling.shingles import shingled

Places = NDArray[np.int64]
SMALL_BUCKET = 20
"""Up to so many articles a bucket every pair is compared; in a larger one each article with the first of them."""
_PAIRS = 1 << 15


def jaccard(texts: Sequence[str], one: Places, other: Places) -> NDArray[np.float64]:
    """The Jaccard similarity of texts[one[p]] and texts[other[p]] by their distinct shingles, (p,)."""
    sets = _sets(texts)
    sizes = np.diff(sets.indptr)[one] + np.diff(sets.indptr)[other]
    shared = np.diff(sets[one].multiply(sets[other]).indptr)
    return np.asarray(shared / (sizes - shared))


def candidates(buckets: NDArray[np.int64]) -> Places:
    """The pairs of rows of (n, bands) that share a bucket, (2, p): the lower row first, each pair once and in order."""
    found = [_packed(*_sharing(band)) for band in buckets.T]
    pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return np.stack([pairs >> 32, pairs & 0xFFFFFFFF])


def alike(texts: Sequence[str], pairs: Places, threshold: float) -> Places:
    """Those of the pairs whose Jaccard similarity is `threshold` or more, (2, p)."""
    kept = [chunk[:, _alike(texts, chunk, threshold)] for chunk in _near_each_other(len(texts), pairs)]
    return np.concatenate([np.zeros((2, 0), np.int64), *kept], axis=1)


def components(n: int, pairs: Places) -> NDArray[np.int32]:
    """The connected component of each of n rows, (n,)."""
    ones = np.ones(pairs.shape[1], np.int8)
    graph = sparse.csr_matrix((ones, (pairs[0], pairs[1])), shape=(n, n))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1])


def _sets(texts: Sequence[str]) -> sparse.csr_matrix:
    """A row a text with a one in the column of each of its shingles."""
    found = shingled(texts)
    columns = (found.hashes >> np.uint64(1)).view(np.int64)
    ends = np.concatenate([[0], np.cumsum(found.counts)])
    sets = sparse.csr_matrix((np.ones(len(columns), np.int8), columns, ends), shape=(len(texts), 2**63 - 1))
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def _alike(texts: Sequence[str], pairs: Places, threshold: float) -> NDArray[np.bool_]:
    rows, places = np.unique(pairs, return_inverse=True)
    one, other = places.reshape(pairs.shape)
    return jaccard([texts[row] for row in rows.tolist()], one, other) >= threshold


def _near_each_other(n: int, pairs: Places) -> Iterator[Places]:
    """The pairs in chunks, those of one component together, so that nearly every text is cut into shingles once."""
    order = np.argsort(components(n, pairs)[pairs[0]], kind="stable")
    for start in range(0, len(order), _PAIRS):
        yield pairs[:, order[start : start + _PAIRS]]


def _sharing(band: NDArray[np.int64]) -> tuple[Places, Places]:
    """The pairs of one band."""
    buckets, rows = _sorted(band)
    starts = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]]))
    sizes = np.diff(np.append(starts, len(band)))
    small, large = (sizes > 1) & (sizes <= SMALL_BUCKET), sizes > SMALL_BUCKET
    every, first = _every_pair(starts[small], sizes[small]), _with_the_first(starts[large], sizes[large])
    one, other = (rows[np.concatenate(both)] for both in zip(every, first, strict=True))
    return one, other


def _sorted(band: NDArray[np.int64]) -> tuple[Places, Places]:
    """The buckets in order with their rows.

    A row's number takes the lowest bits of its bucket, which is much faster to sort; should what is left of two buckets
    be the same, their pairs are compared in vain.
    """
    bits = np.int64(len(band)).item().bit_length()
    packed = np.sort(band >> bits << bits | np.arange(len(band)))
    return packed >> bits, packed & ((1 << bits) - 1)


def _every_pair(starts: Places, sizes: Places) -> tuple[Places, Places]:
    """Every pair of places within runs, run by run distance by distance."""
    one, other = [], []
    for distance in range(1, int(sizes.max(initial=1))):
        firsts = _within(starts, np.maximum(sizes - distance, 0))
        one.append(firsts)
        other.append(firsts + distance)
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *one]), np.concatenate([nothing, *other])


def _with_the_first(starts: Places, sizes: Places) -> tuple[Places, Places]:
    return np.repeat(starts, sizes - 1), _within(starts + 1, sizes - 1)


def _within(starts: Places, sizes: Places) -> Places:
    """starts[0], starts[0] + 1, ... of sizes[0] places, then those of the next run."""
    ends = np.cumsum(sizes)
    places = np.arange(ends[-1] if len(ends) else 0)
    return np.asarray(places + np.repeat(starts - (ends - sizes), sizes))


def _packed(one: Places, other: Places) -> Places:
    return np.asarray(np.minimum(one, other) << 32 | np.maximum(one, other))
