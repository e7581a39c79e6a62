"""Replayed readers: requests to the router in a thread of their own, whose mix of topics the story can change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import numpy as np
import pyarrow as pa

Article = Mapping[str, object]


class Traffic:
    """Asks for articles until `stop`. `lean_to` makes one topic more frequent from then on."""

    def __init__(self, *, router_url: str, model: str, rate: float, seed: int = 11) -> None:
        self._router_url, self._model, self._rate = router_url, model, rate
        self._random = np.random.default_rng(seed)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._articles: Sequence[Article] = ()
        self._weights: np.ndarray | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def offer(self, articles: pa.Table) -> None:
        """What readers ask for from now on: rows with article_id, title, body and, where known, label."""
        with self._lock:
            self._articles, self._weights = articles.to_pylist(), None
        if not self._thread.is_alive():
            self._thread.start()

    def lean_to(self, label: str, *, share: float) -> int:
        """From now on `share` of the requests are for articles of one topic; returns how many articles that are."""
        with self._lock:
            chosen = np.array([article.get("label") == label for article in self._articles])
            if not chosen.any() or chosen.all():
                return int(chosen.sum())
            weights = np.where(chosen, share / chosen.sum(), (1 - share) / (~chosen).sum())
            self._weights = weights / weights.sum()
        return int(chosen.sum())

    def stop(self) -> None:
        """Ends the replay and waits for its last requests."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=20)

    def _run(self) -> None:
        from pressrun.serving.replay import replay

        asyncio.run(replay(self._router_url, self._model, self._wanted(), rate=self._rate, stop=self._stop))

    def _wanted(self) -> Iterator[Article]:
        for _ in cycle((0,)):
            with self._lock:
                yield self._articles[int(self._random.choice(len(self._articles), p=self._weights))]
