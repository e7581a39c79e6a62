"""Known answers are not worked out again, nor twice at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from pressrun.serving.cache import Cache
from pressrun.serving.errors import DeadlinePassed, Overloaded


class Worker:
    """Works for a moment; fails as often as it is told to, with the error that it is given."""

    def __init__(self, fails: int = 0, error: Exception | None = None) -> None:
        self.worked, self._fails, self._error = 0, fails, error or ValueError("cannot")

    async def work(self) -> str:
        self.worked += 1
        await asyncio.sleep(0.02)
        if self.worked <= self._fails:
            raise self._error
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


@pytest.mark.parametrize("error", [DeadlinePassed("late"), Overloaded("full")])
def test_one_client_s_deadline_or_place_in_the_queue_is_no_other_s(error: Exception) -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker(fails=1, error=error)
        first, *others = await asyncio.gather(*(cache.get(b"a", worker.work) for _ in range(3)), return_exceptions=True)
        assert first is error
        assert others == [("answer 2", "miss"), ("answer 2", "joined")]

    asyncio.run(act())


def test_who_joins_waits_no_longer_than_its_own_deadline() -> None:
    async def act() -> None:
        cache, worker = Cache[str](2), Worker()
        first = asyncio.create_task(cache.get(b"a", worker.work))
        await asyncio.sleep(0)
        with pytest.raises(DeadlinePassed):
            await cache.get(b"a", worker.work, until=time.monotonic() + 0.001)
        assert await first == ("answer 1", "miss")
        assert worker.worked == 1

    asyncio.run(act())


def test_large_answers_count_for_as_many_as_their_rows() -> None:
    async def act() -> None:
        cache = Cache[str](4, rows=len)

        async def keep(answer: str) -> None:
            async def known() -> str:
                return answer

            await cache.get(answer.encode(), known)

        for answer in ("a", "b", "cc"):
            await keep(answer)
        assert len(cache) == 3
        await keep("ddd")  # those that were asked for first make room
        assert len(cache) == 1
        await keep("eeeee")  # more than all that may be kept: it takes nobody's place
        assert len(cache) == 1
        assert await cache.get(b"ddd", Worker().work) == ("ddd", "hit")

    asyncio.run(act())
