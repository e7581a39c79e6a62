"""Open Inference Protocol v2: a request as it comes, in JSON or with binary tensors behind the JSON.

Protocol: https://github.com/open-inference/open-inference-protocol; binary tensors: the protocol's extension "Binary
tensor data". Requests are hostile input: what is read here has the types that it says, and nothing more is promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pressrun.serving.errors import BadRequest

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who answers: the model and the place its server has in a rollout."""

    model: str
    version: str
    digest: str
    arm: str = "champion"
    generation: int = 0


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """An input; `data` is still JSON, to be read as what `datatype` says. A binary one has none."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An output that was asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`POST …/infer`."""

    inputs: list[Tensor]
    id: str | int | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


_infer = msgspec.json.Decoder(InferRequest)
_any = msgspec.json.Decoder()


def parse_infer(body: bytes) -> InferRequest:
    """Raises BadRequest that says where in the request what is wrong."""
    return _parsed(_infer, body)


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises BadRequest for anything else."""
    document = _parsed(_any, body)
    if not isinstance(document, dict):
        raise BadRequest(f"the body must be a JSON object, got {type(document).__name__}")
    return document


def _parsed(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the request is not as the protocol says: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None


def parameters(identity: Identity) -> dict[str, Any]:
    """What every answer says about who gave it."""
    return {
        "model_version": identity.version,
        "digest": identity.digest,
        "arm": identity.arm,
        "generation": identity.generation,
    }
