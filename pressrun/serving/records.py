"""What the prediction log keeps of a request: never the article's text, never who read it."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pressrun.serving.errors import BadRequest
from pressrun.serving.protocol import Identity
from pressrun.serving.reading import Inference
from pressrun.serving.scoring import Scored

ARMS = frozenset({"champion", "baseline", "candidate"})
FIELDS = ("article_id", "impression_id", "input_digest", "features", "scores")
"""What may be dropped from the log; ids and digests may be hashed instead."""
HASHABLE = ("article_id", "impression_id", "input_digest")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_GENERATION = re.compile(r"[0-9]{1,9}")
_MILLISECONDS = re.compile(r"[0-9]{1,9}")
DEADLINE = "x-envoy-expected-rq-timeout-ms"
"""How many milliseconds whoever asks still waits: Envoy and gateways made of it set it by themselves."""


_draw = random.Random(os.urandom(32)).getrandbits


class Call(NamedTuple):
    """What the router says of a request; a request that comes past the router has the server's own arm."""

    request_id: str | None
    arm: str
    generation: int
    shadow: bool
    started: float
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What is dropped from a row before it is written, and what is hashed with `key`, so that only its owner can tell
    whose it is. Raises ValueError for a field that cannot be."""

    drop: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    key: bytes = b""

    def __post_init__(self) -> None:
        if unknown := (self.drop - set(FIELDS)) | (self.hashed - set(HASHABLE)):
            raise ValueError(
                f"the log has no such field: {', '.join(sorted(unknown))}; dropped may be {', '.join(FIELDS)}, hashed "
                f"{', '.join(HASHABLE)}"
            )
        if self.hashed and len(self.key) < 16:
            raise ValueError("fields are hashed with a key of 16 bytes at least: set PRESSRUN_LOG_KEY")

    def kept(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row as it is written: a dropped field is null, a hashed one an HMAC-SHA-256 in hex."""
        if not self.drop and not self.hashed:
            return row
        return {name: self._field(name, value) for name, value in row.items()}

    def _field(self, name: str, value: Any) -> Any:
        if name in self.drop:
            return {} if isinstance(value, Mapping) else None
        if name in self.hashed and value is not None:
            return hmac.new(self.key, str(value).encode(), hashlib.sha256).hexdigest()
        return value


def call_of(headers: Any, identity: Identity) -> Call:
    """Reads the router's headers; what is malformed is ignored, since anyone may send them.

    Raises BadRequest for a deadline that cannot be read: whoever sets one relies on it.
    """
    arm, generation = headers.get("x-pressrun-arm"), headers.get("x-pressrun-generation")
    request_id, left = headers.get("x-request-id"), headers.get(DEADLINE)
    if left is not None and not _MILLISECONDS.fullmatch(left):
        raise BadRequest(f"{DEADLINE} must be whole milliseconds")
    return Call(
        request_id=request_id if request_id and _REQUEST_ID.fullmatch(request_id) else None,
        arm=arm if arm in ARMS else identity.arm,
        generation=int(generation) if generation and _GENERATION.fullmatch(generation) else identity.generation,
        shadow=headers.get("x-pressrun-shadow") == "1",
        started=time.perf_counter(),
        seconds=int(left) / 1000 if left is not None else None,
    )


def new_request_id() -> str:
    """128 bits that no other server draws; nobody is kept from guessing them."""
    return f"{_draw(128):032x}"


def rows_of(
    identity: Identity, call: Call, request_id: str, inference: Inference, scored: Scored, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """One row of the table `predictions` for each row of the request, but for the columns that the lake adds."""
    latency_ms = (time.perf_counter() - call.started) * 1000
    common = {
        "model": identity.model,
        "model_version": identity.version,
        "model_digest": identity.digest,
        "arm": call.arm,
        "generation": call.generation,
        "shadow": call.shadow,
        "at": datetime.now(UTC).isoformat(),
        "latency_ms": round(latency_ms, 3),
        "sampling_rate": 1.0,
    }
    single = inference.rows == 1
    return [
        {
            **common,
            "request_id": request_id if single else f"{request_id}#{row}",
            **_row(inference, scored, row, labels),
        }
        for row in range(inference.rows)
    ]


def _row(inference: Inference, scored: Scored, row: int, labels: Sequence[str]) -> dict[str, Any]:
    scores = scored.scores[row].tolist()
    return {
        "article_id": inference.article_ids[row],
        "impression_id": inference.impression_ids[row],
        "input_digest": inference.digests[row],
        "features": scored.features[row],
        **_said(scores, labels),
    }


def _said(scores: Sequence[float], labels: Sequence[str]) -> dict[str, Any]:
    """An embedding is as telling as its text: of one, nothing is kept."""
    if labels:
        best = max(range(len(scores)), key=scores.__getitem__)
        named = {name: round(score, 6) for name, score in zip(labels, scores, strict=True)}
        return {"scores": named, "label": labels[best], "confidence": round(scores[best], 6)}
    kept = {"score": scores[0]} if len(scores) == 1 else {}
    return {"scores": kept, "label": None, "confidence": None}
