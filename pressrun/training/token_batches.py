"""Token ids in rectangles, as a network or a graph reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

Ids = NDArray[np.int64]


def rectangle(encodings: Sequence[Encoding], padding: int) -> dict[str, Ids]:
    """`input_ids` and `attention_mask`, (n, longest); what pads is masked."""
    longest = max(len(encoding.ids) for encoding in encodings)
    ids = np.full((len(encodings), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)], mask[row, : len(encoding.ids)] = encoding.ids, 1
    return {"input_ids": ids, "attention_mask": mask}


def by_length(lengths: Sequence[int], rows: int) -> Iterator[NDArray[np.intp]]:
    """Places of at the most `rows` texts of like length, shortest first."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def shuffled(lengths: Sequence[int], rows: int, *, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """One epoch's batches of at the most `rows` texts: of like length within, in an order by chance.

    The same for the same seed and epoch, so that a resumed training goes on in the middle of one.
    """
    generator = np.random.default_rng((seed, epoch))
    mixed = generator.permutation(len(lengths))
    pools = [mixed[start : start + 16 * rows] for start in range(0, len(mixed), 16 * rows)]
    sorted_pools = [pool[np.argsort(np.asarray(lengths)[pool], kind="stable")] for pool in pools]
    found = [pool[start : start + rows] for pool in sorted_pools for start in range(0, len(pool), rows)]
    return [found[place] for place in generator.permutation(len(found))]
