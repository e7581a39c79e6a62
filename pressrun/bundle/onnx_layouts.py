"""The rules of operators that lay numbers out anew, pick some or join them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from pressrun.bundle.errors import BundleError
from pressrun.bundle.onnx_known import FEW, MOST, Interval, Known, broadcast, exactly, multiplied, without_common
from pressrun.bundle.onnx_sizes import Attributes, Inputs, Rule, axes_of, fixed, given_at, numbers, place_of

FAR = 2**31 - 1
"""An end from here on stands for the end of the axis."""


def _reshape(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data, to = given_at(inputs, 0), list(numbers(inputs, 1))
    for place, size in enumerate(to):
        if size == (0, 0) and not attributes.get("allowzero"):
            if place >= len(data.shape):
                raise BundleError("Reshape keeps a size that is not there")
            to[place] = data.shape[place]
    inferred = [place for place, size in enumerate(to) if size == (-1, -1)]
    if len(inferred) > 1 or any(low < 0 for place, (low, _) in enumerate(to) if place not in inferred):
        raise BundleError("Reshape leaves more than one size open")
    if inferred:
        to[inferred[0]] = _inferred(data, [size for place, size in enumerate(to) if place not in inferred])
    shape = tuple(to)
    values = data.values if data.values is not None and len(data.values) == prod(high for _, high in shape) else None
    return [Known(shape=shape, item=data.item, values=values, most=data.count)]


def _inferred(data: Known, others: Sequence[Interval]) -> Interval:
    """The size that Reshape was left to find."""
    left, right = without_common(data.shape, others)
    unknown = [size for size in left if size[0] < size[1]]
    known = prod(low for low, high in left if low == high)
    if len(unknown) == 1 and all(low == high for low, high in right) and known == prod(low for low, _ in right):
        return unknown[0]
    most = min(data.count, prod(high for _, high in left)) // max(1, prod(max(1, low) for low, _ in right))
    return min(most, prod(low for low, _ in left) // max(1, prod(high for _, high in right))), most


def _flatten(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data = given_at(inputs, 0)
    axis = attributes.get("axis", 1)
    axis = axis if axis == len(data.shape) else place_of(axis, len(data.shape))
    shape = tuple(
        (prod(low for low, _ in part), prod(high for _, high in part))
        for part in (data.shape[:axis], data.shape[axis:])
    )
    return [Known(shape=shape, item=data.item, most=data.most)]


def _transpose(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data = given_at(inputs, 0)
    order = list(attributes.get("perm", range(len(data.shape))[::-1]))
    if sorted(order) != list(range(len(data.shape))):
        raise BundleError("Transpose names each axis once")
    values = data.values if len(data.shape) < 2 else None
    return [Known(shape=tuple(data.shape[axis] for axis in order), item=data.item, values=values, most=data.most)]


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data, axes = given_at(inputs, 0), axes_of(inputs, attributes) or []
    rank = len(data.shape) + len(axes)
    new = {place_of(axis, rank) for axis in axes}
    left = iter(data.shape)
    shape = tuple(exactly(1) if place in new else next(left, exactly(1)) for place in range(rank))
    return [Known(shape=shape, item=data.item, values=data.values, most=data.most)]


def _gather_nd(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data, places = given_at(inputs, 0), given_at(inputs, 1)
    if not places.shape or places.shape[-1][0] != places.shape[-1][1]:
        raise BundleError("GatherND names places of one length")
    reached = attributes.get("batch_dims", 0) + places.shape[-1][0]
    return [Known(shape=(*places.shape[:-1], *data.shape[reached:]), item=data.item)]


def _squeeze(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data, axes = given_at(inputs, 0), axes_of(inputs, attributes)
    if axes is None:
        if any(size[0] <= 1 < size[1] for size in data.shape):
            raise BundleError("Squeeze must name its axes")
        axes = [place for place, size in enumerate(data.shape) if size == exactly(1)]
    gone = {place_of(axis, len(data.shape)) for axis in axes}
    shape = tuple(size for place, size in enumerate(data.shape) if place not in gone)
    return [Known(shape=shape, item=data.item, values=data.values, most=data.most)]


def _concat(inputs: Inputs, attributes: Attributes) -> list[Known]:
    given = [value for value in inputs if value is not None]
    rank = len(given[0].shape)
    axis = place_of(attributes["axis"], rank)
    if any(len(value.shape) != rank for value in given):
        raise BundleError("Concat joins what has the same number of axes")
    shape = list(broadcast(*(value.shape for value in given)))
    shape[axis] = (sum(value.shape[axis][0] for value in given), sum(value.shape[axis][1] for value in given))
    values: tuple[Interval, ...] | None = ()
    for value in given:
        values = values + value.values if values is not None and value.values is not None and rank == 1 else None
    most = min(MOST, sum(value.count for value in given))
    return [Known(shape=tuple(shape), item=given[0].item, values=values, most=most)]


def _split(inputs: Inputs, attributes: Attributes) -> list[Known]:
    """Each part as large as the whole, at the most; parts of known sizes are those sizes."""
    data = given_at(inputs, 0)
    axis = place_of(attributes.get("axis", 0), len(data.shape))
    sizes = attributes.get("split") or (fixed(inputs, 1) if len(inputs) > 1 and inputs[1] is not None else None)
    count = len(sizes) if sizes else attributes["outputs"]
    low, high = data.shape[axis]
    made = []
    for place in range(count):
        shape = list(data.shape)
        # A new interval each: the last part may be smaller, so the parts have no size in common.
        shape[axis] = exactly(sizes[place]) if sizes else (low // count, -(-high // count))
        made.append(Known(shape=tuple(shape), item=data.item))
    return made


def _slice(inputs: Inputs, attributes: Attributes) -> list[Known]:
    """An axis that is cut at known places has its size, any other at most its own."""
    data = given_at(inputs, 0)
    axes = axes_of(inputs, {}, 3)
    starts = inputs[1].values if len(inputs) > 1 and inputs[1] is not None else None
    ends = inputs[2].values if len(inputs) > 2 and inputs[2] is not None else None
    if len(inputs) < 3 or starts is None or ends is None or len(starts) != len(ends):
        raise BundleError("Slice cuts at places that are not known before it runs")
    steps = fixed(inputs, 4) if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    axes = list(range(len(starts))) if axes is None else axes
    if not len(axes) == len(starts) == len(steps):
        raise BundleError("Slice has a start, an end and a step an axis")
    shape, values = list(data.shape), data.values
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = place_of(axis, len(shape))
        if len(shape) == 1 and values is not None and start[0] == start[1] and end[0] == end[1] and step:
            values = values[slice(start[0], end[0] if abs(end[0]) < FAR else None, step)]
            shape[place] = exactly(len(values))
        else:
            values = None
            shape[place] = _cut(shape[place], start, end, step)
    return [Known(shape=tuple(shape), item=data.item, values=values)]


def _cut(size: Interval, start: Interval, end: Interval, step: int) -> Interval:
    low, high = size
    if step != 1 or start[0] < 0:
        return 0, high
    if start == exactly(0) and end[0] >= 0 and end[1] <= low:
        return end  # the same unknown size, not only as large
    if end[0] >= FAR:
        return max(0, low - start[1]), max(0, high - start[0])
    if end[0] < 0:
        return 0, high
    return max(0, min(low, end[0]) - start[1]), max(0, min(high, end[1]) - start[0])


def _expand(inputs: Inputs, _: Attributes) -> list[Known]:
    data, to = given_at(inputs, 0), numbers(inputs, 1)
    shape = broadcast(data.shape, tuple(size if size[0] > 0 else (1, max(1, size[1])) for size in to))
    few = data.values is not None and len(data.values) == 1 and len(shape) == 1 and shape[0][0] == shape[0][1] <= FEW
    values = (data.values or ()) * shape[0][0] if few else None
    return [Known(shape=shape, item=data.item, values=values)]


def _tile(inputs: Inputs, _: Attributes) -> list[Known]:
    data, times = given_at(inputs, 0), numbers(inputs, 1)
    if len(times) != len(data.shape):
        raise BundleError("Tile repeats along every axis")
    return [Known(shape=tuple(map(multiplied, data.shape, times)), item=data.item)]


LAYOUTS: Mapping[str, Rule] = {
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "GatherND": _gather_nd,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
