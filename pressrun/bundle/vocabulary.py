"""A vocabulary as JSON: the n-grams in the order of their columns."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pressrun.bundle.errors import BundleError


def dump_vocabulary(vocabulary: Mapping[str, int]) -> bytes:
    """The n-grams by column."""
    return json.dumps(sorted(vocabulary, key=vocabulary.__getitem__), ensure_ascii=False).encode()


def parse_vocabulary(content: bytes, *, size: int) -> dict[str, int]:
    """N-gram → column. Raises BundleError unless it is `size` distinct strings."""
    grams = json.loads(content)
    if not isinstance(grams, list) or not all(isinstance(gram, str) for gram in grams):
        raise BundleError("the vocabulary must be a JSON list of strings")
    vocabulary = {gram: column for column, gram in enumerate(grams)}
    if not len(grams) == len(vocabulary) == size:
        raise BundleError(f"the vocabulary has {len(vocabulary)} distinct n-grams for {size} weights")
    return vocabulary
