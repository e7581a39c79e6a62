"""What is checked of every file before a parser sees it, and whose fault an error is."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from pressrun.bundle.errors import BundleError

Tensors: TypeAlias = Mapping[str, NDArray[np.floating]]
MAX_HEADER_BYTES = 64 * 2**10
_TYPES = ("F16", "F32", "F64")


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever a hostile file makes a parser raise becomes a BundleError that names the file."""
    try:
        yield
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a parser in Rust is no Exception
        raise BundleError(f"{name} cannot be read: {type(error).__name__}: {str(error)[:300]}") from error


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`: two readers may take either of two. Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def read_tensors(content: bytes, **axes: int) -> Tensors:
    """The tensors that `axes` names, each of so many axes, all numbers finite. Raises BundleError.

    The header is read before the library does, and small; the library checks that tensors lie beside each other.
    """
    _check_header(content, set(axes))
    tensors = load(content)
    for name, count in axes.items():
        found = tensors[name]
        if found.ndim != count:
            raise BundleError(f"{name} has the shape {found.shape}, {count} axes are needed")
        if not np.isfinite(found).all():
            raise BundleError(f"{name} holds NaN or infinity")
    return tensors


def _check_header(content: bytes, names: set[str]) -> None:
    length = struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else len(content)
    if not 2 <= length <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise BundleError(
            f"its header says {length:,} bytes; {MAX_HEADER_BYTES:,} are allowed, and no more than it has"
        )
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise BundleError(f"its header is no JSON, or nested too deep: {str(error)[:100]}") from error
    found = set(header) - {"__metadata__"} if isinstance(header, dict) else set()
    if found != names:
        raise BundleError(f"it holds {', '.join(sorted(found)[:5]) or 'nothing'}; {', '.join(sorted(names))} is needed")
    for name in names:
        said = header[name].get("dtype") if isinstance(header[name], dict) else None
        if said not in _TYPES:
            raise BundleError(f"{name} is of type {str(said)[:20]!r}, known are {', '.join(_TYPES)}")
