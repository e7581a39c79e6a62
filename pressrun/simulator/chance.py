"""Chance as a function: the same key and number give the same draw, in whatever order and on whatever machine.

That is what lets any night be written without the nights before it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]
_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def uniform(key: str, numbers: NDArray[Any]) -> Reals:
    """A draw strictly between 0 and 1 for each of `numbers` (integers of any shape).

    The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), started at a digest of `key`.
    """
    return ((bits(key, numbers) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(key: str, numbers: NDArray[Any]) -> Reals:
    """A standard normal draw for each of `numbers`."""
    return np.asarray(ndtri(uniform(key, numbers)))


def bits(key: str, numbers: NDArray[Any]) -> NDArray[np.uint64]:
    """64 random bits for each of `numbers`."""
    start = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    with np.errstate(over="ignore"):
        state = np.uint64(start) + (np.asarray(numbers).astype(np.uint64) + np.uint64(1)) * _STEP
        state = (state ^ (state >> np.uint64(30))) * _FIRST
        state = (state ^ (state >> np.uint64(27))) * _SECOND
    return np.asarray(state ^ (state >> np.uint64(31)))


def pick(weights: Reals, draws: Reals) -> Whole:
    """For each draw between 0 and 1 an index of `weights`, with that weight's share of chance."""
    ends = np.cumsum(weights)
    return np.asarray(np.minimum(np.searchsorted(ends, draws * ends[-1], side="right"), len(weights) - 1))
