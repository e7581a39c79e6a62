"""Known answers are not worked out again, nor twice at once."""

from __future__ import annotations

import asyncio

import pytest

from pressrun.serving.cache import Cache


class Worker:
    """Works for a moment; fails as often as it is told to."""

    def __init__(self, fails: int = 0) -> None:
        self.worked, self._fails = 0, fails

    async def work(self) -> str:
        self.worked += 1
        await asyncio.sleep(0.02)
        if self.worked <= self._fails:
            raise ValueError("cannot")
        return f"answer {self.worked}"


def test_an_answer_is_worked_out_once_while_it_is_kept() -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker()
        assert await cache.get(b"a", worker.work) == ("answer 1", "miss")
        assert await cache.get(b"a", worker.work) == ("answer 1", "hit")
        for key in (b"b", b"c"):
            await cache.get(key, worker.work)
        assert await cache.get(b"a", worker.work) == ("answer 4", "miss")
        assert len(cache) == 2

    asyncio.run(act())


def test_who_comes_meanwhile_waits_for_the_same_answer() -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker()
        found = await asyncio.gather(*(cache.get(b"a", worker.work) for _ in range(3)))
        assert found == [("answer 1", "miss"), ("answer 1", "joined"), ("answer 1", "joined")]

    asyncio.run(act())


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker(fails=1)
        found = await asyncio.gather(*(cache.get(b"a", worker.work) for _ in range(2)), return_exceptions=True)
        assert [type(one) for one in found] == [ValueError, ValueError]
        assert await cache.get(b"a", worker.work) == ("answer 2", "miss")

    asyncio.run(act())


def test_where_the_first_client_goes_away_the_next_one_works_it_out() -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker()
        first = asyncio.create_task(cache.get(b"a", worker.work))
        await asyncio.sleep(0.005)
        second = asyncio.create_task(cache.get(b"a", worker.work))
        await asyncio.sleep(0.005)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == ("answer 2", "miss")

    asyncio.run(act())
