"""What a loaded bundle answers to a batch, checked, and with what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from pressrun.bundle import Batch, Pairs

_WARM_UP = ("Markets rise after the central bank holds rates", "The home side won in extra time", "x")
_ROWS = (1, 8, 64)


class Manifest(Protocol):
    """What a server asks a bundle's manifest."""

    @property
    def task(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...] | None: ...


class Scorer(Protocol):
    """What a server needs of a bundle."""

    @property
    def digest(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def manifest(self) -> Manifest: ...
    def scores(self, batch: Any) -> np.ndarray: ...
    def features(self, text: str) -> dict[str, float]: ...


class Scored(NamedTuple):
    """`scores` is (n, k); `features` describe each row as the log keeps it, {} where there is nothing to tell."""

    scores: np.ndarray
    features: Sequence[Mapping[str, float]]


def score(bundle: Scorer, batch: Batch) -> np.ndarray:
    """The bundle's answer to each row, (n, k). Raises ValueError when it is no finite number."""
    scores = np.asarray(bundle.scores(batch), dtype=np.float64)
    if len(scores) != len(batch) or not np.isfinite(scores).all():
        raise ValueError(f"the model gave scores of shape {scores.shape} for {len(batch)} rows, or no finite numbers")
    return scores


def features_of(bundle: Scorer, batch: Batch) -> Sequence[Mapping[str, float]]:
    """The sketch of each row. Columns are the client's own numbers, pairs have no article: nothing is told of them."""
    if isinstance(batch, np.ndarray | Pairs):
        return [{}] * len(batch)
    return [bundle.features(text) for text in batch]


def warm_up(bundle: Scorer) -> tuple[int, float]:
    """Answers made-up rows, so that the first reader waits for no cache and no lazy import.

    Tells of how many rows the last batch was, and the seconds that it took.
    """
    seconds = 0.0
    for rows in _ROWS:
        batch = _made_up(bundle.manifest, rows)
        began = time.perf_counter()
        features_of(bundle, batch)
        score(bundle, batch)
        seconds = time.perf_counter() - began
    return _ROWS[-1], seconds


def _made_up(manifest: Manifest, rows: int) -> Batch:
    if manifest.input == "columns":
        return np.random.default_rng(0).normal(size=(rows, len(manifest.columns or ())))
    some = [_WARM_UP[row % len(_WARM_UP)] for row in range(rows)]
    return Pairs(queries=some, texts=some) if manifest.input == "text_pair" else some
