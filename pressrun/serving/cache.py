"""Answers that are known already: of one loaded model, by what it was asked, as long as they are among the last ones.

What is being worked out is waited for instead of being worked out again (single flight).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, TypeVar

from pressrun.serving.errors import DeadlinePassed, Overloaded

T = TypeVar("T")
Found = Literal["hit", "joined", "miss"]


class Cache(Generic[T]):
    """Keeps the answers that were asked for last, of `most` rows all together; `rows` tells an answer's.

    It dies with its model, whose digest need not be in a key.
    """

    def __init__(self, most: int, *, rows: Callable[[T], int] = lambda _: 1) -> None:
        self._most, self._rows, self._kept = most, rows, 0
        self._known: OrderedDict[bytes, T] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(
        self, key: bytes, work_out: Callable[[], Awaitable[T]], *, until: float = math.inf
    ) -> tuple[T, Found]:
        """The answer, and whether it was known. Raises what `work_out` raises, which is not kept.

        Raises DeadlinePassed when another is still working it out at `until`, by time.monotonic().
        """
        while True:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known, "hit"
            running = self._under_way.get(key)
            if running is None:
                return await self._worked_out(key, work_out), "miss"
            await asyncio.wait([running], timeout=None if until == math.inf else until - time.monotonic())
            if not running.done():
                raise DeadlinePassed("its deadline passed while another's request for the same was worked out")
            if not running.cancelled():
                return running.result(), "joined"
            # Whoever worked it out has gone away, or waits no longer, without an answer: the next one does it.

    async def _worked_out(self, key: bytes, work_out: Callable[[], Awaitable[T]]) -> T:
        told = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await work_out()
        except (DeadlinePassed, Overloaded):
            told.cancel()  # true of this one alone
            raise
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
        self._keep(key, answer)
        return answer

    def _keep(self, key: bytes, answer: T) -> None:
        rows = self._rows(answer)
        if rows > self._most:
            return
        self._known[key] = answer
        self._kept += rows
        while self._kept > self._most:
            _, gone = self._known.popitem(last=False)
            self._kept -= self._rows(gone)
