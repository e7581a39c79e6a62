"""Texts to hashes of their words, whole batches at once.

A word is what `\\w+` matches in the casefolded text. Its hash is a polynomial of its code points modulo 2^64 (Karp and
Rabin 1987); sums up to each character give any word's hash as a difference, since an odd base has an inverse there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Letters = NDArray[np.uint8] | NDArray[np.uint32]

MAX_CHARACTERS = 20_000
"""A longer article is compared by its beginning, so that one hostile row cannot take the machine's memory."""
_CHUNK = 1 << 16
"""Characters hashed at once: their arrays stay in a core's cache."""
_BASE = 0x9E3779B97F4A7C15
_CODES = 0x32400
"""Unicode has no letter or digit from here on."""
_SEVERAL = 0xFFFFFFFF
_LETTERS = (
    bytes(code if chr(code).isalnum() or chr(code) == "_" else 0 for code in range(128)).lower().ljust(256, b"\0")
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of n texts, one text after the other: a hash each, and how many each text has, (n,)."""

    hashes: Hashes
    counts: Counts


def words_of(texts: Sequence[str]) -> Words:
    """The words of the texts, each by its first MAX_CHARACTERS."""
    short = [text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] for text in texts]
    parts = [_hashed(short[start:end]) for start, end in _chunks(short)]
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


def _chunks(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Runs of texts of about _CHUNK characters; a text is never cut."""
    if not texts:
        return []
    ends = np.cumsum([len(text) + 1 for text in texts])
    cuts = np.flatnonzero(np.diff(ends // _CHUNK)) + 1
    return list(pairwise([0, *cuts.tolist(), len(texts)]))


def _hashed(texts: Sequence[str]) -> Words:
    joined = "\n" + "\n".join(texts) + "\n"
    letters = _ascii(joined) if joined.isascii() else _unicode(joined)
    if letters is None:
        return _hashed([text.casefold() for text in texts])
    inside = letters != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    powers, inverses = _powers(_rounded(len(letters)))
    sums = letters * powers[: len(letters)]
    np.cumsum(sums, out=sums)
    hashes = (sums[ends] - sums[starts]) * inverses[starts]
    places = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return Words(hashes=mixed(hashes), counts=np.diff(np.searchsorted(starts, places)))


def _ascii(text: str) -> Letters:
    """The text's characters, those of words in lower case and the others 0."""
    return np.frombuffer(text.encode("ascii").translate(_LETTERS), np.uint8)


def _unicode(text: str) -> Letters | None:
    """The same of any text by its code points; None for one with characters whose folding is several (ß is ss)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    letters = np.take(_folding(), codes, mode="clip")
    return None if letters.max() == _SEVERAL else letters


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
def _folding() -> NDArray[np.uint32]:
    """Of each code point its casefolding, _SEVERAL where that is several, 0 where it is of no word."""
    return np.array([_folded(chr(code)) for code in range(_CODES)], np.uint32)


def _folded(character: str) -> int:
    folded = character.casefold()
    if len(folded) > 1:
        return _SEVERAL
    return ord(folded) if folded.isalnum() or folded == "_" else 0
