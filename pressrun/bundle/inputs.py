"""What a model may be asked about: texts, rows of numbers, or pairs of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A query and a text a row; both have n entries. Raises ValueError otherwise."""

    queries: Sequence[str]
    texts: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.queries) != len(self.texts):
            raise ValueError(f"{len(self.queries)} queries for {len(self.texts)} texts; pairs need as many of both")

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, start: int, end: int) -> Pairs:
        return Pairs(queries=self.queries[start:end], texts=self.texts[start:end])


Columns: TypeAlias = NDArray[np.float64]
Batch: TypeAlias = Sequence[str] | Columns | Pairs


def parts(batch: Batch, most: int) -> Iterator[Batch]:
    """The batch in order, `most` rows at a time; nothing of an empty one."""
    if 0 < len(batch) <= most:
        yield batch
        return
    for start in range(0, len(batch), most):
        end = start + most
        yield batch.part(start, end) if isinstance(batch, Pairs) else batch[start:end]
