"""Requests that wait are scored together, as soon as the engine is free: no timer, so an idle server adds nothing.

Small batches are scored on the event loop, where handing them to a thread would cost more than scoring them; what takes
longer than `INLINE_SECONDS` goes to the engine's one thread, so that the server goes on answering.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np

from pressrun.bundle import Batch, Pairs
from pressrun.bundle.inputs import parts
from pressrun.serving.errors import BadRequest, DeadlinePassed, Overloaded

Score = Callable[[Batch], np.ndarray]
INLINE_SECONDS = 0.003
MOST_ROWS = 256
"""Rows scored at once: whoever comes meanwhile waits for all of them."""
_WEIGHT = 0.2
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Work:
    """A request's rows. `until` is by time.monotonic(): nobody waits for the answer after it."""

    batch: Batch
    rows: int
    until: float
    answer: asyncio.Future[np.ndarray]


class Batcher:
    """Scores what is submitted in batches of whole requests; at the most `depth` of them wait or run."""

    def __init__(self, score: Score, *, depth: int = 512, most_rows: int = MOST_ROWS, name: str = "scoring") -> None:
        self._score, self._depth, self._most_rows = score, depth, most_rows
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: deque[Work] = deque()
        self._busy = False
        self._seconds_a_row = 0.0
        self.pending, self.batched = 0, _ignore

    async def scores(self, batch: Batch, *, until: float = math.inf) -> np.ndarray:
        """The model's answer to each row, (n, k). Raises Overloaded, DeadlinePassed and what the model raises.

        A request of more rows than a batch holds waits its turn for each part: others pass between them.
        """
        if not len(batch):
            raise BadRequest("a request holds at least one row")
        if len(batch) > self._most_rows:
            return np.concatenate([await self.scores(part, until=until) for part in parts(batch, self._most_rows)])
        if self.pending >= self._depth:
            raise Overloaded(
                f"{self.pending} requests are waiting, the most this server takes", retry_after=self._retry_after()
            )
        loop = asyncio.get_running_loop()
        work = Work(batch, len(batch), until, loop.create_future())
        self._waiting.append(work)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._flush)
        self.pending += 1
        try:
            return await work.answer
        finally:
            self.pending -= 1

    def measured(self, rows: int, seconds: float) -> None:
        """What a batch took of a processor: it decides where the next one is scored."""
        took = seconds / rows
        self._seconds_a_row = (1 - _WEIGHT) * self._seconds_a_row + _WEIGHT * took if self._seconds_a_row else took

    def close(self) -> None:
        """Nothing is submitted any more. The model is let go of, since what counts for it holds this as well."""
        self._thread.shutdown(wait=True)
        self._score, self.batched = _closed, _ignore

    def _retry_after(self) -> int:
        return max(1, math.ceil(sum(work.rows for work in self._waiting) * self._seconds_a_row))

    def _flush(self) -> None:
        works = self._next()
        if not works:
            self._busy = False
            return
        rows = sum(work.rows for work in works)
        try:
            if rows * self._seconds_a_row > INLINE_SECONDS:
                running = asyncio.get_running_loop().run_in_executor(self._thread, self._tried, works, rows)
                running.add_done_callback(lambda done: self._finished(works, done))
                return
            found: Sequence[np.ndarray | Exception] = self._tried(works, rows)
        except Exception as error:
            # Whatever it is, the next ones are scored: a batcher that is stuck looks ready and answers nobody.
            found = [error] * len(works)
        _answer(works, found)
        self._go_on()

    def _finished(self, works: Sequence[Work], done: asyncio.Future[list[np.ndarray | Exception]]) -> None:
        error = RuntimeError("the server leaves") if done.cancelled() else done.exception()
        _answer(works, [error] * len(works) if isinstance(error, Exception) else done.result())
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            # Requests that have come meanwhile are read first, and join the next batch.
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._busy = False

    def _next(self) -> list[Work]:
        """Whole requests up to `most_rows`, at least one; those that nobody waits for are left out."""
        works, rows, now = list[Work](), 0, time.monotonic()
        while self._waiting and (not works or rows + self._waiting[0].rows <= self._most_rows):
            work = self._waiting.popleft()
            if work.answer.done():  # cancelled: its client has gone
                continue
            if work.until < now:
                late = (now - work.until) * 1000
                work.answer.set_exception(
                    DeadlinePassed(f"its deadline passed {late:.0f} ms ago; no more work is spent on it")
                )
                continue
            works.append(work)
            rows += work.rows
        return works

    def _tried(self, works: Sequence[Work], rows: int) -> list[np.ndarray | Exception]:
        """Each request's scores, or why there are none. One that the model cannot bear does not fail the others."""
        began, worked = time.perf_counter(), time.thread_time()
        try:
            scores = self._score(merged([work.batch for work in works]))
        except Exception as error:
            if len(works) == 1:
                return [error]
            return [found for work in works for found in self._tried([work], work.rows)]
        seconds = time.perf_counter() - began
        # Of the engine's thread its own work alone: what it waits for the event loop's would keep it there for good.
        self.measured(rows, time.thread_time() - worked)
        self.batched(rows, seconds)
        if len(works) == 1:
            return [scores]
        ends = list(accumulate(work.rows for work in works))
        return [scores[end - work.rows : end] for work, end in zip(works, ends, strict=True)]


def merged(batches: Sequence[Batch]) -> Batch:
    """The rows of all batches of a model in one, in order."""
    if len(batches) == 1:
        return batches[0]
    arrays = [batch for batch in batches if isinstance(batch, np.ndarray)]
    if arrays:
        return np.concatenate(arrays)
    pairs = [batch for batch in batches if isinstance(batch, Pairs)]
    if pairs:
        queries, found = [one.queries for one in pairs], [one.texts for one in pairs]
        return Pairs(queries=list(chain.from_iterable(queries)), texts=list(chain.from_iterable(found)))
    return [text for batch in batches if not isinstance(batch, np.ndarray | Pairs) for text in batch]


def _answer(works: Sequence[Work], found: Sequence[np.ndarray | Exception]) -> None:
    for work, one in zip(works, found, strict=True):
        if work.answer.done():
            continue
        if isinstance(one, Exception):
            work.answer.set_exception(one)
        else:
            work.answer.set_result(one)


def _closed(batch: Batch) -> np.ndarray:
    raise RuntimeError("the model has gone")


def _ignore(rows: int, seconds: float) -> None:
    """Nobody counts batches."""
