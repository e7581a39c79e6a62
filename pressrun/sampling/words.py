"""Texts to hashes of their words, whole batches at once on their UTF-8 bytes.

A word is what `\\w+` matches in the casefolded text. Its hash is a polynomial of its bytes modulo 2^64; sums up to each
byte give any word's hash as a difference, since an odd base has an inverse there (Karp and Rabin 1987).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

MAX_CHARACTERS = 20_000
"""A longer article is compared by its beginning, so that one hostile row cannot take the machine's memory."""
_CHUNK = 1 << 17
"""Bytes hashed at once: their arrays stay in a core's cache."""
_BASE = 0x9E3779B97F4A7C15
_NOT_WORD = re.compile(r"\W+")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of n texts, one text after the other: a hash each, and how many each text has, (n,)."""

    hashes: Hashes
    counts: Counts


def words_of(texts: Sequence[str]) -> Words:
    """The words of the texts, each by its first MAX_CHARACTERS."""
    encoded = [_encoded(text) for text in texts]
    parts = [_hashed(encoded[start:end]) for start, end in _chunks(encoded)]
    if not parts:
        return Words(hashes=np.zeros(0, np.uint64), counts=np.zeros(0, np.int64))
    return Words(
        hashes=np.concatenate([part.hashes for part in parts]), counts=np.concatenate([part.counts for part in parts])
    )


def mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the result hangs on every bit given."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _encoded(text: str) -> bytes:
    """The text in bytes of which those that belong to words are told by the byte alone."""
    if len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS]
    if text.isascii():
        return text.encode("ascii")
    # Outside ASCII only Unicode tells what is a letter; a lone surrogate is none, so the rest can be encoded.
    return _NOT_WORD.sub(" ", text.casefold()).encode("utf-8")


def _chunks(encoded: Sequence[bytes]) -> list[tuple[int, int]]:
    """Runs of texts of about _CHUNK bytes; a text is never cut."""
    if not encoded:
        return []
    ends = np.cumsum([len(text) + 1 for text in encoded])
    cuts = np.flatnonzero(np.diff(ends // _CHUNK)) + 1
    edges = [0, *cuts.tolist(), len(encoded)]
    return list(pairwise(edges))


def _hashed(encoded: Sequence[bytes]) -> Words:
    joined = b"\n%b\n" % b"\n".join(encoded)
    inside = np.frombuffer(joined.translate(_inside()), np.uint8)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(_rounded(len(joined)))
    sums = np.frombuffer(joined.lower(), np.uint8) * powers[: len(joined)]
    np.cumsum(sums, out=sums)
    hashes = (sums[ends] - sums[starts]) * inverses[starts]
    texts = np.cumsum([0, *(len(text) + 1 for text in encoded)])
    return Words(hashes=mixed(hashes), counts=np.diff(np.searchsorted(starts, texts)))


def _rounded(size: int) -> int:
    """A power of two, so that few tables are kept."""
    return max(_CHUNK, 1 << (size - 1).bit_length())


@lru_cache(maxsize=2)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """The powers of the base modulo 2^64 and of its inverse, (size,) each."""
    inverse = pow(_BASE, -1, 1 << 64)
    return _geometric(_BASE, size), _geometric(inverse, size)


def _geometric(base: int, size: int) -> Hashes:
    found = np.full(size, base, np.uint64)
    found[0] = 1
    return np.multiply.accumulate(found)


@lru_cache(maxsize=1)
def _inside() -> bytes:
    """1 for a byte of words: ASCII's letters, digits and the underscore, and all of what is not ASCII."""
    return bytes(byte >= 0x80 or bool(re.match(r"\w", chr(byte), re.ASCII)) for byte in range(256))
