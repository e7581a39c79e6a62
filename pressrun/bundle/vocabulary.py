"""A vocabulary as JSON: the n-grams in the order of their columns."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from pressrun.bundle.errors import BundleError


def dump_vocabulary(vocabulary: Mapping[str, int]) -> bytes:
    """The n-grams by column. Raises BundleError for one that is no text."""
    try:
        return json.dumps(sorted(vocabulary, key=vocabulary.__getitem__), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BundleError(f"the vocabulary holds what no text can: {str(error)[:100]}") from error


def parse_vocabulary(content: bytes, *, size: int) -> dict[str, int]:
    """N-gram → column. Raises BundleError unless it is `size` distinct strings.

    A parser that knows what it wants stops at the first list within the list; counted first, strings are few.
    """
    quotes = content.count(b'"') - content.count(b'\\"')
    if quotes > 2 * size:
        raise BundleError(f"the vocabulary has about {quotes // 2:,} n-grams for {size:,} weights")
    try:
        grams = msgspec.json.decode(content, type=list[str])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BundleError(f"the vocabulary must be a JSON list of strings: {str(error)[:100]}") from error
    vocabulary = {gram: column for column, gram in enumerate(grams)}
    if not len(grams) == len(vocabulary) == size:
        raise BundleError(f"the vocabulary has {len(vocabulary)} distinct n-grams for {size} weights")
    return vocabulary
