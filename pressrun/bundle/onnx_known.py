"""What is known of a tensor before the graph runs: between which bounds its sizes lie, and its numbers if few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from pressrun.bundle.errors import BundleError

Interval: TypeAlias = tuple[int, int]
MOST = 2**40
"""More of anything is more than any machine has, and what is below cannot overflow when two are multiplied."""
FEW = 256


@dataclass(frozen=True, kw_only=True)
class Known:
    """`shape` and, for few whole numbers, `values` (in order) as intervals; `item` is the bytes a number takes.

    `most` bounds the count of numbers where it is known better than by the shape.
    """

    shape: tuple[Interval, ...]
    item: int
    values: tuple[Interval, ...] | None = None
    most: int = MOST

    @property
    def count(self) -> int:
        return min(self.most, prod(high for _, high in self.shape))

    @property
    def size(self) -> int:
        """Bytes at the most."""
        return self.count * self.item


def exactly(number: int) -> Interval:
    return number, number


def union(one: Interval, other: Interval) -> Interval:
    return min(one[0], other[0]), max(one[1], other[1])


def broadcast(*shapes: Sequence[Interval]) -> tuple[Interval, ...]:
    """The shape of what is computed of all of them, number by number."""
    rank = max(map(len, shapes))
    padded = [((exactly(1),) * (rank - len(shape))) + tuple(shape) for shape in shapes]
    return tuple(_widest(sizes) for sizes in zip(*padded, strict=True))


def _widest(sizes: Sequence[Interval]) -> Interval:
    """An unknown size stays the same one: sizes are the same where they are one object."""
    wide = [size for size in sizes if size != (1, 1)]
    if wide and all(size is wide[0] for size in wide):
        return wide[0]
    return max(low for low, _ in sizes), max(high for _, high in sizes)


def without_common(one: Sequence[Interval], other: Sequence[Interval]) -> tuple[list[Interval], list[Interval]]:
    """Both without the unknown sizes that are in both: they cancel, whatever they are."""
    left, right = list(one), []
    for size in other:
        place = next((p for p, found in enumerate(left) if found is size and 1 <= size[0] < size[1]), None)
        if place is None:
            right.append(size)
        else:
            del left[place]
    return left, right


def by_number(
    combine: Callable[[Interval, Interval], Interval | None], left: Known, right: Known
) -> tuple[Interval, ...] | None:
    """`combine` for each pair of numbers, None where one is unknown."""
    one, other = left.values, right.values
    if one is None or other is None or (len(one) != len(other) and 1 not in (len(one), len(other))):
        return None
    length = max(len(one), len(other))
    pairs = zip(
        one * (length // len(one) if len(one) else 0), other * (length // len(other) if other else 0), strict=False
    )
    found = [combine(*pair) for pair in pairs]
    return tuple(value for value in found if value is not None) if None not in found else None


def added(one: Interval, other: Interval) -> Interval:
    return bounded((one[0] + other[0], one[1] + other[1]))


def subtracted(one: Interval, other: Interval) -> Interval:
    return bounded((one[0] - other[1], one[1] - other[0]))


def multiplied(one: Interval, other: Interval) -> Interval:
    ends = [a * b for a in one for b in other]
    return bounded((min(ends), max(ends)))


def divided(one: Interval, other: Interval) -> Interval | None:
    """Whole numbers, only where no sign or zero makes it a special case."""
    return None if one[0] < 0 or other[0] < 1 else (one[0] // other[1], one[1] // other[0])


def equal(one: Interval, other: Interval) -> Interval:
    if one == other and one[0] == one[1]:
        return exactly(1)
    return exactly(0) if one[1] < other[0] or other[1] < one[0] else (0, 1)


def bounded(interval: Interval) -> Interval:
    if max(map(abs, interval)) > MOST:
        raise BundleError(f"a size is computed to be {max(map(abs, interval)):,}")
    return interval
