"""An ONNX graph is checked before onnxruntime reads it: what it may do, its weights, and the memory that it takes.

No operator of another domain, no graph in a graph, no function, no other file, no size that hangs on what a text says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from pressrun.bundle.errors import BundleError
from pressrun.bundle.onnx_known import FEW, Interval, Known, exactly
from pressrun.bundle.onnx_layouts import LAYOUTS
from pressrun.bundle.onnx_sizes import ITEMS, RULES
from pressrun.bundle.onnx_wire import walk
from pressrun.bundle.transformer import BATCH_TOKENS, INPUTS

_DOMAINS = ("", "ai.onnx")
_ALL_RULES = {**RULES, **LAYOUTS}
_WHOLE = {2, 3, 4, 5, 6, 7, 9, 12, 13}
_OWN_COPIES = 4
"""Of the weights: the file's bytes, onnxruntime's reading of them, its tensors, and those packed for multiplication."""
_SLACK = 1.5
_SESSION = 32 * 2**20
"""Of onnxruntime itself: its code's data, its threads, what it keeps of the graph's nodes."""


class Graph:
    """A graph that broke no rule. Raises BundleError otherwise."""

    def __init__(self, content: bytes) -> None:
        walk(content)
        try:
            model = onnx.load_from_string(content)
        except Exception as error:  # protobuf's own errors have no common type
            raise BundleError(f"the graph is no ONNX file: {type(error).__name__}") from error
        self._size, self._graph = len(content), model.graph
        self._nodes = list(model.graph.node)
        self._weights = {tensor.name: _weight(tensor) for tensor in model.graph.initializer}
        if len(self._weights) != len(model.graph.initializer):
            raise BundleError("the graph has two weights of one name")
        self.inputs = tuple(value.name for value in model.graph.input if value.name not in self._weights)
        self._check_ends()
        for place, node in enumerate(self._nodes):
            _check_node(node, _name(node, place))
        self._check_order()
        self._orders = tuple(self._all_orders())

    def memory(self, *, max_tokens: int) -> int:
        """Bytes that a session of the graph takes at the most, with a batch of texts of `max_tokens` at the most."""
        batch = max(self._batch(*sizes) for sizes in _batches(max_tokens))
        return self._size * _OWN_COPIES + int(batch * _SLACK) + _SESSION

    def _check_ends(self) -> None:
        if not {"input_ids", "attention_mask"} <= set(self.inputs) <= set(INPUTS):
            raise BundleError(f"the graph takes {', '.join(self.inputs)}; a transformer takes {', '.join(INPUTS)}")
        for value in self._graph.input:
            given = value.type.tensor_type
            dimensions = given.shape.dim
            if value.name in INPUTS and (
                given.elem_type != onnx.TensorProto.INT64
                or len(dimensions) != 2
                or any(d.dim_value for d in dimensions)
            ):
                raise BundleError(f"the graph's {value.name} must be INT64 of any number of texts and of tokens")
        if not 1 <= len(self._graph.output) <= 8:
            raise BundleError(f"the graph has {len(self._graph.output)} outputs, 1 to 8 are allowed")

    def _check_order(self) -> None:
        """Each node after those that it reads, no name made twice: so there is no circle."""
        known = {*self._weights, *self.inputs, ""}
        for place, node in enumerate(self._nodes):
            if missing := set(node.input) - known:
                raise BundleError(f"{_name(node, place)} reads {min(missing)!r}, which nothing before it makes")
            if twice := (set(node.output) & known) - {""}:
                raise BundleError(f"{_name(node, place)} makes {min(twice)!r}, which is there already")
            known.update(node.output)
        if missing := {value.name for value in self._graph.output} - known:
            raise BundleError(f"the graph's output {min(missing)!r} is made by no node")

    def _batch(self, rows: Interval, tokens: Interval) -> int:
        """Bytes that all tensors of one run take at the most at any time."""
        known: dict[str, Known] = dict(self._weights)
        for name in self.inputs:
            known[name] = Known(shape=(rows, tokens), item=8)
        for place, node in enumerate(self._nodes):
            known |= dict(zip(node.output, _sizes(node, known, _name(node, place)), strict=False))
        return max(_peak(order, known, set(self._weights)) for order in self._orders)

    def _all_orders(self) -> Iterator[list[onnx.NodeProto]]:
        """As written, and depth first from the outputs, by which onnxruntime orders: by either order of inputs."""
        yield self._nodes
        makers = {name: place for place, node in enumerate(self._nodes) for name in node.output if name}
        for backwards in (False, True):
            yield [self._nodes[place] for place in _depth_first(self._nodes, makers, backwards=backwards)]


def _depth_first(nodes: Sequence[onnx.NodeProto], makers: Mapping[str, int], *, backwards: bool) -> list[int]:
    order: list[int] = []
    done: set[int] = set()
    read = {name for node in nodes for name in node.input}
    waiting = [(place, False) for place, node in enumerate(nodes) if not set(node.output) & read]
    while waiting:
        place, ready = waiting.pop()
        if place in done:
            continue
        if ready:
            done.add(place)
            order.append(place)
            continue
        waiting.append((place, True))
        before = sorted({makers[name] for name in nodes[place].input if name in makers}, reverse=backwards)
        waiting += [(other, False) for other in before if other not in done]
    return order


def _peak(nodes: Sequence[onnx.NodeProto], known: Mapping[str, Known], weights: set[str]) -> int:
    last = {name: place for place, node in enumerate(nodes) for name in node.input if name and name not in weights}
    held = peak = 0
    for place, node in enumerate(nodes):
        made = [name for name in node.output if name and name in known]
        held += sum(known[name].size for name in made)
        peak = max(peak, held)
        gone = {name for name in node.input if last.get(name) == place} | {name for name in made if name not in last}
        held -= sum(known[name].size for name in gone)
    return peak


def _batches(max_tokens: int) -> Iterator[tuple[Interval, Interval]]:
    """How many texts of how many tokens run together; within one yield the bounds are near each other."""
    shortest = 1
    while shortest <= max_tokens:
        longest = min(max_tokens, shortest + shortest // 2)
        yield (1, max(1, BATCH_TOKENS // shortest)), (shortest, longest)
        shortest = longest + 1


def _sizes(node: onnx.NodeProto, known: Mapping[str, Known], where: str) -> list[Known]:
    if node.op_type == "Constant":
        return [_constant(node, where)]
    attributes = _attributes(node)
    try:
        return _ALL_RULES[node.op_type]([known[name] if name else None for name in node.input], attributes)
    except (BundleError, LookupError, TypeError, ValueError) as error:
        raise BundleError(f"{where}: {error or type(error).__name__}") from error


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    attributes = {given.name: helper.get_attribute_value(given) for given in node.attribute}
    attributes["outputs"] = len(node.output)
    if node.op_type == "ConstantOfShape" and "value" in attributes:
        values = _weight(attributes["value"]).values
        attributes["filled"] = values[0][0] if values and len(values) == 1 else None
    return attributes


def _constant(node: onnx.NodeProto, where: str) -> Known:
    given = [(one.name, helper.get_attribute_value(one)) for one in node.attribute]
    match given:
        case [("value", tensor)]:
            return _weight(tensor)
        case [("value_float", _)]:
            return Known(shape=(), item=8)
        case [("value_floats", many)]:
            return Known(shape=(exactly(len(many)),), item=8)
        case [("value_int", number)]:
            return Known(shape=(), item=8, values=(exactly(number),))
        case [("value_ints", many)] if len(many) <= FEW:
            return Known(shape=(exactly(len(many)),), item=8, values=tuple(map(exactly, many)))
        case _:
            raise BundleError(f"{where}: a Constant has one value, of numbers")


def _check_node(node: onnx.NodeProto, where: str) -> None:
    if node.domain not in _DOMAINS:
        raise BundleError(f"{where} is of the domain {node.domain!r}; only ONNX's own operators are taken")
    if node.op_type != "Constant" and node.op_type not in _ALL_RULES:
        raise BundleError(f"{where} is none of the operators that a transformer needs")
    for attribute in node.attribute:
        for tensor in [attribute.t] if attribute.type == onnx.AttributeProto.TENSOR else attribute.tensors:
            _weight(tensor)


def _weight(tensor: onnx.TensorProto) -> Known:
    """Raises BundleError for a tensor of another size than it says, and for numbers that are none."""
    where, shape = f"the weight {tensor.name[:60]!r}", tuple(tensor.dims)
    if tensor.data_type not in ITEMS or any(size < 0 for size in shape):
        raise BundleError(f"{where} has a shape or a type that is not taken")
    count, item = prod(shape), ITEMS[tensor.data_type]
    listed = [len(getattr(tensor, f"{kind}_data")) for kind in ("float", "int32", "int64", "double", "uint64")]
    fits = len(tensor.raw_data) == count * item if tensor.HasField("raw_data") else sum(listed) == count
    if not fits or (tensor.HasField("raw_data") and any(listed)):
        raise BundleError(f"{where} says {count:,} numbers and holds others")
    if tensor.data_type not in _WHOLE and count:
        _refuse_no_number(numpy_helper.to_array(tensor), where)
    values = None
    if tensor.data_type in _WHOLE and count <= FEW:
        values = tuple(exactly(int(number)) for number in numpy_helper.to_array(tensor).ravel())
    return Known(shape=tuple(map(exactly, shape)), item=item, values=values)


def _refuse_no_number(numbers: NDArray[np.floating], where: str) -> None:
    """An infinity is a mask's in a constant, and damage in a layer."""
    if np.isnan(numbers).any() or (numbers.size > FEW and not np.isfinite(numbers).all()):
        raise BundleError(f"{where} holds NaN or infinity")


def _name(node: onnx.NodeProto, place: int) -> str:
    return f"node {place} of the graph ({node.op_type[:60]})"
