"""Requests that wait are scored together; one that is bad or late fails alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from pressrun.bundle import Pairs
from pressrun.serving.batching import Batcher, merged
from pressrun.serving.errors import BadRequest, DeadlinePassed, Overloaded


class Engine:
    """Answers each text with its length; the batches are kept. A slow one takes its seconds in a thread."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self._seconds = seconds

    def score(self, batch: Any) -> np.ndarray:
        self.batches.append(list(batch))
        self.threads.add(threading.get_ident())
        _work(self._seconds)
        if "bad" in batch:
            raise ValueError("the model cannot bear this")
        return np.array([[float(len(text))] for text in batch])


def _work(seconds: float) -> None:
    """Keeps a processor busy, and lets others have it now and then."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        time.sleep(0)


def run(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(act(), 30))


def test_requests_of_one_moment_are_one_batch_and_each_gets_its_own_rows() -> None:
    engine = Engine()

    async def act() -> None:
        batcher = Batcher(engine.score)
        found = await asyncio.gather(*(batcher.scores(["x" * n, "y"]) for n in range(1, 5)))
        assert [scores.ravel().tolist() for scores in found] == [[float(n), 1.0] for n in range(1, 5)]

    run(act)
    assert len(engine.batches) == 1


def test_an_idle_engine_starts_at_once_and_what_comes_meanwhile_goes_together() -> None:
    engine = Engine(seconds=0.2)

    async def act() -> None:
        batcher = Batcher(engine.score)
        batcher.measured(1, 0.2)
        first = asyncio.create_task(batcher.scores(["a"]))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batcher.scores([text])) for text in "bcd"]
        await asyncio.gather(first, *others)

    run(act)
    assert engine.batches == [["a"], ["b", "c", "d"]]


def test_what_is_slow_is_scored_off_the_loop_and_what_is_quick_on_it() -> None:
    quick, slow = Engine(), Engine(seconds=0.05)

    async def act() -> None:
        for engine, seconds in ((quick, 0.0001), (slow, 0.05)):
            batcher = Batcher(engine.score)
            batcher.measured(1, seconds)
            await batcher.scores(["a"])

    run(act)
    assert quick.threads == {threading.get_ident()}
    assert threading.get_ident() not in slow.threads


def test_a_batch_holds_no_more_rows_than_it_may_and_a_large_request_lets_others_pass_between_its_parts() -> None:
    engine = Engine()

    async def act() -> None:
        batcher = Batcher(engine.score, most_rows=3)
        large = [f"{'x' * row}" for row in range(1, 8)]
        others = (["ab", "ab"], ["abc", "abc"])
        found = await asyncio.gather(batcher.scores(large), *(batcher.scores(one) for one in others))
        assert [scores.ravel().tolist() for scores in found] == [[1, 2, 3, 4, 5, 6, 7], [2, 2], [3, 3]]

    run(act)
    assert [len(batch) for batch in engine.batches] == [3, 2, 2, 3, 1]


def test_a_request_that_the_model_cannot_bear_fails_alone() -> None:
    async def act() -> None:
        batcher = Batcher(Engine().score)
        found = await asyncio.gather(*(batcher.scores([t]) for t in ("a", "bad", "ccc")), return_exceptions=True)
        assert isinstance(found[1], ValueError)
        assert [one.item() for one in found if isinstance(one, np.ndarray)] == [1.0, 3.0]

    run(act)


def test_no_work_is_spent_on_a_request_whose_deadline_has_passed_or_whose_client_has_gone() -> None:
    engine = Engine(seconds=0.2)

    async def act() -> None:
        batcher = Batcher(engine.score)
        batcher.measured(1, 0.2)
        first = asyncio.create_task(batcher.scores(["a"]))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(batcher.scores(["late"], until=time.monotonic() + 0.05))
        gone = asyncio.create_task(batcher.scores(["gone"]))
        in_time = asyncio.create_task(batcher.scores(["b"], until=time.monotonic() + 10))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(first, in_time)
        with pytest.raises(DeadlinePassed, match="no more work is spent on it"):
            await late
        assert batcher.pending == 0

    run(act)
    assert engine.batches == [["a"], ["b"]]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def act() -> None:
        batcher = Batcher(Engine(seconds=0.1).score, depth=2)
        batcher.measured(1, 2.0)
        waiting = [asyncio.create_task(batcher.scores([text])) for text in "ab"]
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded, match="2 requests are waiting") as refused:
            await batcher.scores(["c"])
        assert (refused.value.status, refused.value.retry_after) == (429, 1)
        await asyncio.gather(*waiting)

    run(act)


def test_nothing_that_is_submitted_or_raised_keeps_the_next_ones_from_being_scored() -> None:
    """A batcher that is stuck would be ready for ever and answer nobody."""

    def fails(rows: int, seconds: float) -> None:
        raise ZeroDivisionError

    async def act() -> None:
        for seconds in (0.0001, 0.05):
            batcher = Batcher(Engine().score)
            batcher.measured(1, seconds)
            with pytest.raises(BadRequest, match="at least one row"):
                await batcher.scores([])
            counted, batcher.batched = batcher.batched, fails
            with pytest.raises(ZeroDivisionError):
                await batcher.scores(["a"])
            batcher.batched = counted
            assert (await batcher.scores(["ab"])).item() == 2
            batcher.close()
            with pytest.raises(RuntimeError):
                await batcher.scores(["a"])
            assert batcher.pending == 0

    run(act)


def test_batches_of_each_kind_keep_their_order() -> None:
    assert merged([["a"], ["b", "c"]]) == ["a", "b", "c"]
    pairs = merged([Pairs(queries=["q"], texts=["a"]), Pairs(queries=["r"], texts=["b"])])
    assert pairs == Pairs(queries=["q", "r"], texts=["a", "b"])
    both = merged([np.array([[1.0]]), np.array([[2.0], [3.0]])])
    assert isinstance(both, np.ndarray)
    assert both.tolist() == [[1.0], [2.0], [3.0]]


def test_a_quick_engine_whose_thread_had_to_wait_is_scored_on_the_loop_again() -> None:
    """While it waited for the event loop it worked on nothing, and it would wait there again."""
    engine = Engine()

    def waits(batch: Any) -> np.ndarray:
        time.sleep(0.02)
        return engine.score(batch)

    async def act() -> None:
        batcher = Batcher(waits)
        batcher.measured(1, 0.01)
        for _ in range(20):
            await batcher.scores(["a"])
        engine.threads.clear()
        await batcher.scores(["a"])

    run(act)
    assert engine.threads == {threading.get_ident()}
