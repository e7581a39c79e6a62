"""Tensors of the protocol as arrays and texts, from JSON and from bytes, and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import Tensor

BINARY_SIZE = "binary_data_size"
MOST_VALUES = 4_000_000
# The protocol's tensor types, little-endian as its binary extension has them.
_NUMBERS = {
    "FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "BOOL": "?",
    "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "u1",
}  # fmt: skip
_FEW = 256
_MOST_BYTES = 64
"""Of a number in JSON, with the blanks of who writes each on a line of its own."""
_LENGTH = struct.Struct("<I")
_flat_numbers = msgspec.json.Decoder(list[float])
_rows_of_numbers = msgspec.json.Decoder(list[list[float]])
_flat_booleans = msgspec.json.Decoder(list[bool])
_flat_texts = msgspec.json.Decoder(list[str])
_rows_of_texts = msgspec.json.Decoder(list[list[str]])


class Tail:
    """The bytes behind a request's JSON: binary tensors take theirs from it in the order of the inputs."""

    def __init__(self, content: bytes | memoryview = b"") -> None:
        self._left = memoryview(content)

    def take(self, tensor: Tensor) -> memoryview | None:
        """The tensor's bytes, None when it is in the JSON. Raises BadRequest."""
        size = (tensor.parameters or {}).get(BINARY_SIZE)
        if size is None:
            return None
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(self._left):
            raise BadRequest(
                f"input {_short(tensor.name)}: {BINARY_SIZE} is {_short(size)}, {len(self._left)} bytes are left"
            )
        if memoryview(tensor.data).nbytes:
            raise BadRequest(f"input {_short(tensor.name)} has data and {BINARY_SIZE}; give one of them")
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def end(self) -> None:
        """Raises BadRequest when bytes are left that no input asked for."""
        if self._left:
            raise BadRequest(f"{len(self._left)} bytes follow the last input's; each binary input says {BINARY_SIZE}")


def numbers(tensor: Tensor, tail: Tail) -> NDArray[np.float64]:
    """The tensor in its own shape, in row-major order. Raises BadRequest; infinities and NaN are refused."""
    kind = _NUMBERS.get(tensor.datatype)
    if kind is None:
        known = ", ".join(_NUMBERS)
        raise BadRequest(f"input {_short(tensor.name)} must hold numbers ({known}), got {_short(tensor.datatype)}")
    size, raw = _size(tensor), tail.take(tensor)
    values: list[float] = _decoded_numbers(tensor, size) if raw is None else []
    found = np.array(values, dtype=np.float64) if raw is None else _array(tensor, raw, kind, size)
    # Most requests are a row, of which Python's sum is told sooner: with one infinity or NaN it is none itself.
    few = raw is None and len(values) <= _FEW and math.isfinite(sum(values))
    if not few and not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise BadRequest(f"input {_short(tensor.name)}: value {place} is {found[place]}; give finite numbers")
    return found.reshape(tensor.shape)


def texts(tensor: Tensor, tail: Tail) -> list[str]:
    """The texts of a BYTES tensor, flat. Raises BadRequest, also for what is not UTF-8."""
    if tensor.datatype != "BYTES":
        raise BadRequest(f"input {_short(tensor.name)} must have datatype BYTES, got {_short(tensor.datatype)}")
    size, raw = _size(tensor), tail.take(tensor)
    found = _decoded_texts(tensor) if raw is None else _split(tensor, raw, size)
    _check_size(tensor, size, len(found))
    return found


def bytes_of(values: Sequence[str] | NDArray[Any], datatype: str) -> bytes:
    """An output's values in the binary extension's layout."""
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in values]
        return b"".join(part for one in encoded for part in (_LENGTH.pack(len(one)), one))
    return np.ascontiguousarray(values, dtype=_NUMBERS[datatype]).tobytes()


def _decoded_numbers(tensor: Tensor, size: int) -> list[Any]:
    most = _MOST_BYTES * (size + _FEW)
    if tensor.datatype == "BOOL":
        values: list[Any] = _first(tensor, _flat_booleans, most=most)
    else:
        values = _first(tensor, _flat_numbers, _rows_of_numbers, most=most)
    if values and isinstance(values[0], list):
        values = [value for row in values for value in row]
    _check_size(tensor, size, len(values))
    return values


def _decoded_texts(tensor: Tensor) -> list[str]:
    values: list[Any] = _first(tensor, _flat_texts, _rows_of_texts)
    return [text for row in values for text in row] if values and isinstance(values[0], list) else values


def _first(tensor: Tensor, *decoders: msgspec.json.Decoder[Any], most: float = math.inf) -> Any:
    """What the first decoder that fits makes of the data, which has at the most `most` bytes."""
    given = memoryview(tensor.data).nbytes
    if not given:
        raise BadRequest(f"input {_short(tensor.name)} has no data; give a list, or {BINARY_SIZE} and the bytes")
    if given > most:
        raise BadRequest(
            f"input {_short(tensor.name)} has {given} bytes for {_short(tensor.shape)}; is its shape right?"
        )
    problem = ""
    for decoder in decoders:
        try:
            return decoder.decode(tensor.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            problem = problem or str(error)
    raise BadRequest(f"input {_short(tensor.name)} of datatype {_short(tensor.datatype)}: {problem}")


def _array(tensor: Tensor, raw: memoryview, kind: str, size: int) -> NDArray[np.float64]:
    wanted = size * np.dtype(kind).itemsize
    if len(raw) != wanted:
        shape = _short(tensor.shape)
        raise BadRequest(
            f"input {_short(tensor.name)} of shape {shape} has {wanted} bytes as {tensor.datatype}, got {len(raw)}"
        )
    return np.frombuffer(raw, dtype=kind).astype(np.float64, copy=False)


def _split(tensor: Tensor, raw: memoryview, size: int) -> list[str]:
    """Texts, each behind its length in four bytes."""
    found, place = list[str](), 0
    while place < len(raw):
        if len(found) == size or len(raw) - place < _LENGTH.size:
            raise BadRequest(f"input {_short(tensor.name)}: more bytes than its {size} texts have")
        (length,) = _LENGTH.unpack_from(raw, place)
        place += _LENGTH.size
        if length > len(raw) - place:
            raise BadRequest(f"input {_short(tensor.name)}: text {len(found)} is said to have {length} bytes")
        try:
            found.append(str(raw[place : place + length], "utf-8"))
        except UnicodeDecodeError as error:
            raise BadRequest(f"input {_short(tensor.name)}: text {len(found)} is no UTF-8: {error.reason}") from None
        place += length
    return found


def _size(tensor: Tensor) -> int:
    shape = tensor.shape
    if not 1 <= len(shape) <= 2 or min(shape) < 0:
        raise BadRequest(f"input {_short(tensor.name)}: shape must be [rows] or [rows, columns], got {_short(shape)}")
    size = math.prod(shape)
    if size > MOST_VALUES:
        raise BadRequest(f"input {_short(tensor.name)}: {size} values, at the most {MOST_VALUES} are read at once")
    return size


def _check_size(tensor: Tensor, size: int, found: int) -> None:
    if size != found:
        raise BadRequest(f"input {_short(tensor.name)}: shape {_short(tensor.shape)} has {size} values, got {found}")


def _short(value: object) -> str:
    """What a client sent, as far as a message has room for it."""
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"
