"""Answers that are known already: of one loaded model, by what it was asked, as long as they are among the last ones.

What is being worked out is waited for instead of being worked out again (single flight).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Found = Literal["hit", "joined", "miss"]


class Cache(Generic[T]):
    """Keeps the `most` answers that were asked for last. It dies with its model, whose digest need not be in a key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[bytes, T] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: bytes, work_out: Callable[[], Awaitable[T]]) -> tuple[T, Found]:
        """The answer, and whether it was known. Raises what `work_out` raises, which is not kept."""
        while True:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known, "hit"
            running = self._under_way.get(key)
            if running is None:
                return await self._worked_out(key, work_out), "miss"
            await asyncio.wait([running])
            if not running.cancelled():
                return running.result(), "joined"
            # Whoever worked it out has gone away, without an answer: the next one does it.

    async def _worked_out(self, key: bytes, work_out: Callable[[], Awaitable[T]]) -> T:
        told = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await work_out()
        except Exception as error:
            told.set_exception(error)
            told.exception()  # where nobody else waits, nobody needs to be told
            raise
        except BaseException:
            told.cancel()
            raise
        finally:
            del self._under_way[key]
        told.set_result(answer)
        self._known[key] = answer
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer
