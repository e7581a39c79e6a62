"""Replayed readers: requests to the router from a thread of their own, whose mix of topics the story can change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import numpy as np
import pyarrow as pa

from pressrun.serving.replay import Replayed, replay

Article = Mapping[str, object]
POOL = 4000


class Traffic:
    """Asks for articles at `rate` a second until `stop`; `counts` is what readers have seen so far."""

    def __init__(self, *, router_url: str, model: str, rate: float, seed: int = 11) -> None:
        self.counts = Replayed()
        self._router_url, self._model, self._rate, self._seed = router_url, model, rate, seed
        self._articles: Sequence[Article] = ()
        self._replay: Future[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def offer(self, articles: pa.Table) -> None:
        """What readers ask for from now on: rows with article_id, title, body and, where known, label."""
        self._articles = articles.to_pylist()
        self._ask_for(self._drawn(None))

    def lean_to(self, label: str, *, share: float) -> int:
        """From now on `share` of the requests are for articles of one topic; returns how many articles that are."""
        chosen = np.array([article.get("label") == label for article in self._articles], dtype=bool)
        if chosen.any() and not chosen.all():
            weights = np.where(chosen, share / chosen.sum(), (1 - share) / (~chosen).sum())
            self._ask_for(self._drawn(weights / weights.sum()))
        return int(chosen.sum())

    def stop(self) -> None:
        """Ends the replay and waits for its last requests."""
        self._halt()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=20)
        if not self._thread.is_alive():
            self._loop.close()

    def _drawn(self, weights: np.ndarray | None) -> list[Article]:
        drawn = np.random.default_rng(self._seed).choice(len(self._articles), size=POOL, p=weights)
        return [self._articles[int(index)] for index in drawn]

    def _ask_for(self, pool: list[Article]) -> None:
        self._halt()
        self._replay = asyncio.run_coroutine_threadsafe(self._replayed(pool), self._loop)

    async def _replayed(self, pool: list[Article]) -> None:
        self._ended = asyncio.Event()
        await replay(self._router_url, self._model, pool, rate=self._rate, stop=self._ended, replayed=self.counts)

    def _halt(self) -> None:
        if self._replay is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._replay.result(timeout=30)
            self._replay = None
