"""What the prediction log keeps of a request: never the article's text, never who read it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pressrun.serving.protocol import Identity, Inference
from pressrun.serving.scoring import Scored

_ARM = re.compile(r"[a-z][a-z0-9-]{0,19}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the router says of a request; a request that comes past the router has the server's own arm."""

    token: str
    request_id: str | None
    arm: str
    generation: int
    shadow: bool
    started: float


def call_of(headers: Any, identity: Identity) -> Call:
    """Reads the router's headers; what is malformed is ignored, since anyone may send them."""
    arm, generation = headers.get("x-pressrun-arm") or "", headers.get("x-pressrun-generation") or ""
    request_id = headers.get("x-request-id") or ""
    return Call(
        token=uuid4().hex,
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None,
        arm=arm if _ARM.fullmatch(arm) else identity.arm,
        generation=int(generation) if re.fullmatch(r"\d{1,9}", generation) else identity.generation,
        shadow=headers.get("x-pressrun-shadow") == "1",
        started=time.perf_counter(),
    )


def rows_of(
    identity: Identity, call: Call, request_id: str, inference: Inference, scored: Scored
) -> list[dict[str, Any]]:
    """One row of the table `predictions` for each article, but for the columns that the lake adds."""
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
    single = len(inference.articles) == 1
    return [
        {**common, "request_id": request_id if single else f"{request_id}#{row}", **_row(inference, scored, row)}
        for row in range(len(inference.articles))
    ]


def _row(inference: Inference, scored: Scored, row: int) -> dict[str, Any]:
    article, scores = inference.articles[row], scored.probabilities[row]
    return {
        "article_id": article.article_id,
        "impression_id": article.impression_id,
        "input_digest": scored.digests[row],
        "features": scored.features[row],
        "scores": {name: round(float(score), 6) for name, score in zip(scored.names, scores, strict=True)},
        "label": scored.labels[row],
        "confidence": round(float(scores.max()), 6),
    }
