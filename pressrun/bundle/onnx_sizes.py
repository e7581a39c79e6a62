"""How large each node's outputs are at the most, from its inputs alone: one rule an operator, and none for others.

The rules are those of ONNX's operators (opset 11 to 24). No rule reads numbers that come from texts, so what a graph
allocates hangs on how many texts and tokens there are, never on what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

from pressrun.bundle.errors import BundleError
from pressrun.bundle.onnx_known import (
    FEW,
    MOST,
    Interval,
    Known,
    added,
    broadcast,
    by_number,
    divided,
    equal,
    exactly,
    multiplied,
    subtracted,
    union,
)

Attributes: TypeAlias = Mapping[str, Any]
Inputs: TypeAlias = Sequence[Known | None]
Rule: TypeAlias = Callable[[Inputs, Attributes], list[Known]]

# Bytes of a number by ONNX's TensorProto.DataType.
ITEMS = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}
_INT64, _FLOAT, _BOOL = 8, 4, 1


def given_at(inputs: Inputs, place: int) -> Known:
    found = inputs[place] if place < len(inputs) else None
    if found is None:
        raise BundleError(f"input {place} is missing")
    return found


def numbers(inputs: Inputs, place: int) -> tuple[Interval, ...]:
    """The input's numbers. Raises BundleError when they are not known before the graph runs."""
    values = given_at(inputs, place).values
    if values is None:
        raise BundleError("the size of what it makes hangs on more than how many texts and tokens there are")
    return values


def fixed(inputs: Inputs, place: int) -> list[int]:
    if any(low != high for low, high in numbers(inputs, place)):
        raise BundleError(f"input {place} must be constant")
    return [low for low, _ in numbers(inputs, place)]


def axes_of(inputs: Inputs, attributes: Attributes, place: int = 1) -> list[int] | None:
    if "axes" in attributes:
        return list(attributes["axes"])
    return fixed(inputs, place) if place < len(inputs) and inputs[place] is not None else None


def place_of(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise BundleError(f"there is no axis {axis} of {rank}")
    return axis % rank


def _same(inputs: Inputs, _: Attributes) -> list[Known]:
    first = given_at(inputs, 0)
    return [Known(shape=first.shape, item=first.item, most=first.most)]


def _identity(inputs: Inputs, _: Attributes) -> list[Known]:
    return [given_at(inputs, 0)]


def _cast(inputs: Inputs, attributes: Attributes) -> list[Known]:
    first, to = given_at(inputs, 0), attributes["to"]
    if to not in ITEMS:
        raise BundleError(f"numbers of type {to} are unknown")
    values = first.values
    if values and to == 9:
        values = tuple(exactly(1) if low > 0 else (0, int(high > 0)) for low, high in values)
    # A narrower type would wrap around, a float round.
    most = 2**31 - 1 if to == 6 else 2**24 if to in (1, 11) else MOST if to in (7, 9) else -1
    kept = values if values is not None and all(-most <= low <= high <= most for low, high in values) else None
    return [Known(shape=first.shape, item=ITEMS[to], values=kept, most=first.most)]


def _dropout(inputs: Inputs, attributes: Attributes) -> list[Known]:
    [first] = _same(inputs, attributes)
    return [first, Known(shape=first.shape, item=_BOOL)]


def _normalized(inputs: Inputs, attributes: Attributes) -> list[Known]:
    [first] = _same(inputs, attributes)
    return [first, first, first]


def _together(item: int | None = None) -> Rule:
    def rule(inputs: Inputs, _: Attributes) -> list[Known]:
        given = [value for value in inputs if value is not None]
        shape = broadcast(*(value.shape for value in given))
        most = max(value.most for value in given) if len({value.shape for value in given}) == 1 else MOST
        return [Known(shape=shape, item=item or max(value.item for value in given), most=most)]

    return rule


def _arithmetic(combine: Callable[[Interval, Interval], Interval | None], item: int | None = None) -> Rule:
    plain = _together(item)

    def rule(inputs: Inputs, attributes: Attributes) -> list[Known]:
        [made] = plain(inputs, attributes)
        if len(inputs) != 2 or len(made.shape) > 1:
            return [made]
        values = by_number(combine, given_at(inputs, 0), given_at(inputs, 1))
        return [Known(shape=made.shape, item=made.item, values=values, most=made.most)]

    return rule


def _where(inputs: Inputs, attributes: Attributes) -> list[Known]:
    condition, yes, no = (given_at(inputs, place) for place in range(3))
    [made] = _together(max(yes.item, no.item))(inputs, attributes)
    known = condition.values, yes.values, no.values
    values = None
    if None not in known and len(made.shape) <= 1:
        length = max(len(part or ()) for part in known)
        wide = [list(part or ()) * (length if len(part or ()) == 1 else 1) for part in known]
        if all(len(part) == length for part in wide):
            picked = {exactly(1): lambda y, n: y, exactly(0): lambda y, n: n}
            values = tuple(picked.get(c, union)(y, n) for c, y, n in zip(*wide, strict=True))
    return [Known(shape=made.shape, item=made.item, values=values)]


def _matmul(item: int | None = None) -> Rule:
    def rule(inputs: Inputs, _: Attributes) -> list[Known]:
        left, right = given_at(inputs, 0).shape, given_at(inputs, 1).shape
        if not left or not right:
            raise BundleError("it multiplies a single number as a matrix")
        rows = left[-2:-1] if len(left) > 1 else ()
        columns = right[-1:] if len(right) > 1 else ()
        shape = (*broadcast(left[:-2], right[:-2]), *rows, *columns)
        return [Known(shape=shape, item=item or given_at(inputs, 0).item)]

    return rule


def _gemm(inputs: Inputs, attributes: Attributes) -> list[Known]:
    left, right = given_at(inputs, 0).shape, given_at(inputs, 1).shape
    if len(left) != 2 or len(right) != 2:
        raise BundleError("Gemm multiplies two matrices")
    rows, columns = left[1 if attributes.get("transA") else 0], right[0 if attributes.get("transB") else 1]
    return [Known(shape=(rows, columns), item=given_at(inputs, 0).item)]


def _gather(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data, places = given_at(inputs, 0), given_at(inputs, 1)
    axis = place_of(attributes.get("axis", 0), len(data.shape))
    shape = (*data.shape[:axis], *places.shape, *data.shape[axis + 1 :])
    values = None
    if data.values is not None and len(data.shape) == 1 and places.values is not None:
        chosen = [low for low, high in places.values if low == high and -len(data.values) <= low < len(data.values)]
        if len(chosen) == len(places.values):
            values = tuple(data.values[place] for place in chosen)
    return [Known(shape=shape, item=data.item, values=values)]


def _gather_elements(inputs: Inputs, _: Attributes) -> list[Known]:
    return [Known(shape=given_at(inputs, 1).shape, item=given_at(inputs, 0).item)]


def _shape(inputs: Inputs, attributes: Attributes) -> list[Known]:
    sizes = given_at(inputs, 0).shape[attributes.get("start", 0) : attributes.get("end")]
    return [Known(shape=(exactly(len(sizes)),), item=_INT64, values=sizes)]


def _size(inputs: Inputs, _: Attributes) -> list[Known]:
    given = given_at(inputs, 0)
    return [Known(shape=(), item=_INT64, values=((prod(low for low, _ in given.shape), given.count),))]


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> list[Known]:
    shape = tuple((max(0, low), max(0, high)) for low, high in numbers(inputs, 0))
    value = attributes.get("value")
    item = ITEMS[value.data_type] if value is not None else _FLOAT
    filled = attributes.get("filled")
    few = len(shape) == 1 and shape[0][0] == shape[0][1] <= FEW
    # The number that fills it matters where exporters make a shape of ones by it.
    values = (exactly(filled),) * shape[0][0] if few and filled is not None else None
    return [Known(shape=shape, item=item, values=values)]


def _range(inputs: Inputs, _: Attributes) -> list[Known]:
    (start,), (limit,), (step,) = (numbers(inputs, place) for place in range(3))
    if step[0] < 1:
        raise BundleError("Range counts upwards by a constant")
    if start == exactly(0) and step == exactly(1) and limit[0] >= 0:
        return [Known(shape=(limit,), item=given_at(inputs, 0).item)]  # the same unknown size, not only as large
    high = max(0, -((start[0] - limit[1]) // step[0]))
    return [Known(shape=((0, high),), item=given_at(inputs, 0).item)]


def _reduced(inputs: Inputs, attributes: Attributes) -> list[Known]:
    data = given_at(inputs, 0)
    axes = axes_of(inputs, attributes)
    if axes is None and "axis" in attributes:
        axes = [attributes["axis"]]
    if not axes:
        axes = [] if attributes.get("noop_with_empty_axes") else list(range(len(data.shape)))
    gone = {place_of(axis, len(data.shape)) for axis in axes}
    sizes = [exactly(1) if place in gone else size for place, size in enumerate(data.shape)]
    kept = sizes if attributes.get("keepdims", 1) else [s for place, s in enumerate(sizes) if place not in gone]
    return [Known(shape=tuple(kept), item=data.item)]


def _argument(inputs: Inputs, attributes: Attributes) -> list[Known]:
    [made] = _reduced(inputs[:1], {"axis": 0, **attributes})
    return [Known(shape=made.shape, item=_INT64)]


def _quantized(inputs: Inputs, attributes: Attributes) -> list[Known]:
    [first] = _same(inputs, attributes)
    scale = Known(shape=(), item=_FLOAT)
    return [Known(shape=first.shape, item=1, most=first.most), scale, scale]


def _dequantized(inputs: Inputs, attributes: Attributes) -> list[Known]:
    [first] = _same(inputs, attributes)
    return [Known(shape=first.shape, item=_FLOAT, most=first.most)]


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "Abs", "Ceil", "Clip", "Cos", "CumSum", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
            "LeakyRelu", "Log", "LogSoftmax", "Neg", "Reciprocal", "Relu", "Round", "ScatterElements", "ScatterND",
            "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu",
            "Trilu",
        ),
        _same,
    ),
    **dict.fromkeys(("IsInf", "IsNaN", "Not"), lambda i, a: [Known(shape=given_at(i, 0).shape, item=_BOOL)]),
    **dict.fromkeys(("Mean", "Mod", "Pow", "PRelu", "Sum"), _together()),
    **dict.fromkeys(("And", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Xor"), _together(_BOOL)),
    **dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
         "ReduceSumSquare"),
        _reduced,
    ),
    "Add": _arithmetic(added),
    "Sub": _arithmetic(subtracted),
    "Mul": _arithmetic(multiplied),
    "Div": _arithmetic(divided),
    "Max": _arithmetic(lambda one, other: (max(one[0], other[0]), max(one[1], other[1]))),
    "Min": _arithmetic(lambda one, other: (min(one[0], other[0]), min(one[1], other[1]))),
    "Equal": _arithmetic(equal, _BOOL),
    "ArgMax": _argument,
    "ArgMin": _argument,
    "Cast": _cast,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": _dequantized,
    "Dropout": _dropout,
    "DynamicQuantizeLinear": _quantized,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Gemm": _gemm,
    "Identity": _identity,
    "LayerNormalization": _normalized,
    "MatMul": _matmul(),
    "MatMulInteger": _matmul(4),
    "QLinearMatMul": lambda inputs, attributes: _matmul(1)([inputs[0], inputs[3]], attributes),
    "QuantizeLinear": lambda inputs, attributes: _quantized(inputs, attributes)[:1],
    "Range": _range,
    "RMSNormalization": _normalized,
    "Shape": _shape,
    "Size": _size,
    "Where": _where,
}  # fmt: skip
