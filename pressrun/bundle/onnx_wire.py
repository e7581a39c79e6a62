"""An ONNX file's fields, walked before anything is allocated for them.

A parser makes 200 bytes of an empty node's 2, and follows what it finds: other files, functions, graphs in graphs. The
numbers are those of onnx.proto (ONNX 1.19); a field that is not listed is refused, whatever a later reader makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pressrun.bundle.errors import BundleError

MAX_FIELDS = 400_000
MAX_LISTED_BYTES = 4 * 2**20
"""Bytes of numbers outside raw data, which take eight times as many once they are parsed."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_PLAIN = ""
_LISTED = "numbers"
# Field numbers of each message: another message, plain bytes or numbers, or a list of numbers.
_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "model": {**dict.fromkeys((1, 2, 3, 4, 5, 6), _PLAIN), 7: "graph", 8: "opset", 14: "entry"},
    "graph": {
        **dict.fromkeys((2, 10), _PLAIN), 1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value",
        14: "annotation", 16: "entry",
    },
    "node": {**dict.fromkeys((1, 2, 3, 4, 6, 7, 8), _PLAIN), 5: "attribute", 9: "entry"},
    "attribute": {
        **dict.fromkeys((1, 2, 3, 4, 13, 20), _PLAIN), 5: "tensor", 7: _LISTED, 8: _LISTED, 9: _LISTED, 10: "tensor",
    },
    "tensor": {**dict.fromkeys((1, 2, 8, 9, 12, 14), _PLAIN), 16: "entry", **dict.fromkeys((4, 5, 7, 10, 11), _LISTED)},
    "value": {**dict.fromkeys((1, 3), _PLAIN), 2: "type", 4: "entry"},
    "type": {1: "tensor_type", 6: _PLAIN},
    "tensor_type": {1: _PLAIN, 2: "shape"},
    "shape": {1: "dimension"},
    "dimension": dict.fromkeys((1, 2, 3), _PLAIN),
    "opset": dict.fromkeys((1, 2), _PLAIN),
    "entry": dict.fromkeys((1, 2), _PLAIN),
    "annotation": {1: _PLAIN, 2: "entry"},
}  # fmt: skip
_WHY_NOT: Mapping[tuple[str, int], str] = {
    ("model", 20): "it holds how it was trained",
    ("model", 25): "it holds functions of its own",
    ("graph", 15): "it holds sparse weights",
    ("attribute", 6): "it holds a graph within a graph (If, Loop, Scan)",
    ("attribute", 11): "it holds graphs within a graph (If, Loop, Scan)",
    ("attribute", 21): "it holds functions of its own",
    ("attribute", 22): "it holds sparse weights",
    ("attribute", 23): "it holds sparse weights",
    ("tensor", 3): "it holds a tensor in segments",
    ("tensor", 6): "it holds a tensor of strings",
    ("tensor", 13): "it points to weights outside the file",
}


def walk(content: bytes) -> None:
    """Raises BundleError that says which rule the file breaks."""
    listed = 0
    for count, (kind, number, wire, start, stop) in enumerate(_fields(content)):
        if count > MAX_FIELDS:
            raise BundleError(f"the graph has more than {MAX_FIELDS:,} fields")
        if number not in _MESSAGES[kind]:
            why = _WHY_NOT.get((kind, number), f"field {number} of {kind} is unknown")
            raise BundleError(f"the graph is refused: {why}")
        if (kind, number) == ("tensor", 14) and content[start:stop] != b"\0":
            raise BundleError("the graph is refused: it points to weights outside the file")
        if _MESSAGES[kind][number] is _LISTED:
            listed += stop - start
        elif _MESSAGES[kind][number] and wire != _LENGTH:
            raise BundleError(f"the graph is refused: field {number} of {kind} is no message")
        if listed > MAX_LISTED_BYTES:
            raise BundleError(f"the graph lists more than {MAX_LISTED_BYTES:,} bytes of numbers outside raw data")


def _fields(content: bytes) -> Iterator[tuple[str, int, int, int, int]]:
    """Message, field number, wire type and place of every field, those of messages within it after it."""
    waiting = [("model", 0, len(content))]
    while waiting:
        kind, at, end = waiting.pop()
        while at < end:
            key, at = _varint(content, at, end)
            number, wire = key >> 3, key & 7
            start, at = _place(content, wire, at, end)
            yield kind, number, wire, start, at
            inner = _MESSAGES[kind][number]
            if inner and inner is not _LISTED:
                waiting.append((inner, start, at))


def _place(content: bytes, wire: int, at: int, end: int) -> tuple[int, int]:
    """Where a field's value starts and stops."""
    if wire == _VARINT:
        return at, _varint(content, at, end)[1]
    if wire == _LENGTH:
        length, at = _varint(content, at, end)
    elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
        length = 8 if wire == _EIGHT_BYTES else 4
    else:
        raise BundleError(f"the graph is no ONNX file: wire type {wire} at byte {at:,}")
    if length > end - at:
        raise BundleError(f"the graph is cut off: {length:,} bytes are promised at byte {at:,}, {end - at:,} are left")
    return at, at + length


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BundleError(f"the graph is no ONNX file, or cut off at byte {at:,}")
