"""Readers at the gateway: requests at a constant rate, each one recorded as its sender saw it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp

NO_ANSWER = 0


@dataclass(frozen=True, kw_only=True)
class Request:
    """`at` is in seconds since the epoch, `seconds` counts from when it was due, `status` is 0 without an answer."""

    at: float
    status: int
    seconds: float
    arm: str = ""
    version: str = ""
    error: str = ""
    number: int = 0

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was sent between two times."""

    sent: int
    failed: int
    by_status: Counter[int]
    by_arm: Counter[str]
    by_version: Counter[str]

    def share(self, arm: str) -> float:
        """Of the answered ones, the part that `arm` answered."""
        return self.by_arm[arm] / max(1, sum(count for name, count in self.by_arm.items() if name))


@dataclass
class LoadClient:
    """`with LoadClient(url=gateway_url, host=...) as load:` sends `rate` requests a second until the block ends.

    The rate does not fall when answers are slow: each request has its due time, and its latency counts from then.
    """

    url: str
    host: str
    rate: float = 50.0
    path: str = "/predict"
    timeout: float = 5.0
    body: Mapping[str, Any] = field(default_factory=lambda: {"title": "A late goal", "body": "It was the last one."})
    headers: Callable[[int], Mapping[str, str]] = lambda number: {"x-reader-id": f"reader-{number % 1000}"}
    requests: list[Request] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> LoadClient:
        self._stop.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self.timeout + 5)

    def between(self, start: float = 0.0, end: float = float("inf")) -> Counts:
        """Counts of the requests that were due from `start` to before `end`, in seconds since the epoch."""
        found = [request for request in list(self.requests) if start <= request.at < end]
        return Counts(
            sent=len(found),
            failed=sum(request.failed for request in found),
            by_status=Counter(request.status for request in found),
            by_arm=Counter(request.arm for request in found),
            by_version=Counter(request.version for request in found),
        )

    def wait_for(self, count: int, *, seconds: float = 60.0) -> None:
        """Until `count` more requests have ended. Raises AssertionError when that takes too long."""
        wanted, deadline = len(self.requests) + count, time.monotonic() + seconds
        while len(self.requests) < wanted:
            assert time.monotonic() < deadline, f"{len(self.requests)} requests ended, not {wanted}, in {seconds} s"
            time.sleep(0.05)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        started, at, number, under_way = time.monotonic(), time.time(), 0, set[asyncio.Task[None]]()
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            while not self._stop.is_set():
                due = number / self.rate
                await asyncio.sleep(max(0.0, started + due - time.monotonic()))
                task = asyncio.create_task(self._send(session, number, started + due, at + due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                number += 1
            await asyncio.gather(*under_way)

    async def _send(self, session: aiohttp.ClientSession, number: int, due: float, at: float) -> None:
        headers = {"host": self.host, **self.headers(number)}
        try:
            async with session.post(self.url + self.path, json=self.body, headers=headers) as answer:
                said = await _json(answer)
                status, arm = answer.status, answer.headers.get("x-pressrun-arm") or str(said.get("arm", ""))
            seen = {"status": status, "arm": arm, "version": str(said.get("model_version", ""))}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            seen = {"status": NO_ANSWER, "error": f"{type(error).__name__}: {error}"}
        self.requests.append(Request(at=at, seconds=time.monotonic() - due, number=number, **seen))


async def _json(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """The answer's own words about who gave it: at its top, or below `parameters` in the inference protocol."""
    try:
        said = await answer.json(content_type=None)
    except ValueError:
        return {}
    return {**said, **said.get("parameters", {})} if isinstance(said, dict) else {}
