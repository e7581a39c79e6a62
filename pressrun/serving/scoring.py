"""Scoring off the event loop, one batch at a time, with a bounded queue in front."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pressrun.bundle import article_text
from pressrun.serving.protocol import Article

_WARM_UP = ("Markets rise after the central bank holds rates", "The home side won in extra time", "x")


class Scorer(Protocol):
    """What a server needs of a bundle."""

    @property
    def digest(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    def scores(self, texts: Sequence[str]) -> np.ndarray: ...
    def features(self, text: str) -> dict[str, float]: ...


class Overloaded(Exception):
    """The queue is full; trying again a little later helps."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """`probabilities` is (n, k) with columns `names`; `labels`, `digests` and `features` have n entries."""

    names: tuple[str, ...]
    probabilities: np.ndarray
    labels: list[str]
    digests: list[str]
    features: list[dict[str, float]]


class ScoringQueue:
    """Runs the bundle in one thread; at the most `depth` requests wait or run."""

    def __init__(self, bundle: Scorer, *, depth: int = 64) -> None:
        self._bundle, self._depth = bundle, depth
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self.pending = 0

    async def score(self, articles: Sequence[Article]) -> Scored:
        """Scores the articles. Raises Overloaded when `depth` requests are here already."""
        if self.pending >= self._depth:
            raise Overloaded(f"{self.pending} requests are waiting, the most this server takes; try again in a second")
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, score, self._bundle, articles)
        finally:
            self.pending -= 1

    def close(self) -> None:
        self._thread.shutdown(wait=True)


def warm_up(bundle: Scorer) -> None:
    """Answers a few made-up articles, so that the first reader does not wait for caches and lazy imports."""
    for _ in range(3):
        score(bundle, [Article(title=text, body=text) for text in _WARM_UP])


def score(bundle: Scorer, articles: Sequence[Article]) -> Scored:
    """The bundle's answer to each article, with the digest and the sketch that the log keeps instead of its text."""
    texts = [a.text if a.text is not None else article_text(a.title, a.body) for a in articles]
    probabilities = np.asarray(bundle.scores(texts), dtype=np.float64)
    if probabilities.shape != (len(texts), len(bundle.labels)) or not np.isfinite(probabilities).all():
        raise ValueError(f"the model gave scores of shape {probabilities.shape}, not finite ({len(texts)}, k) ones")
    return Scored(
        names=bundle.labels,
        probabilities=probabilities,
        labels=[bundle.labels[i] for i in probabilities.argmax(axis=1)],
        digests=[hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts],
        features=[bundle.features(text) for text in texts],
    )
