"""Readers made of articles: replays them through the router at a steady rate, and counts what a reader would see."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

MOST_UNDER_WAY = 64
TIMEOUT_SECONDS = 10.0


@dataclass
class Replayed:
    """What came back so far; `skipped` were not sent because too many were under way."""

    sent: int = 0
    failed: int = 0
    skipped: int = 0
    by_arm: Counter[str] = field(default_factory=Counter)


async def replay(
    router_url: str,
    model: str,
    articles: Iterable[Mapping[str, Any]],
    *,
    readers: int = 1000,
    rate: float = 40.0,
    stop: asyncio.Event,
    seed: int = 0,
    replayed: Replayed | None = None,
) -> Replayed:
    """Sends `articles` (title, body, article_id) over and over at `rate` a second until `stop` is set.

    Each request is one impression of one of `readers` pseudonymous readers, who always have the same bucket. Give
    `replayed` to watch the counts while it runs. Raises ValueError when there are no articles.
    """
    counts, pool = replayed or Replayed(), list(articles)
    if not pool:
        raise ValueError("there are no articles to replay: give at least one")
    url, chance = f"{router_url.rstrip('/')}/v2/models/{model}/infer", random.Random(seed)
    under_way: set[asyncio.Task[None]] = set()
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async for number in _paced(rate, stop):
            if len(under_way) >= MOST_UNDER_WAY:
                counts.skipped += 1
                continue
            bucket = str(chance.randrange(readers) % 100)
            task = asyncio.create_task(_send(session, url, pool[number % len(pool)], bucket, counts))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)
    return counts


async def _paced(rate: float, stop: asyncio.Event) -> Any:
    """0, 1, 2, ... at `rate` a second; a late one is not made up for by a burst."""
    loop, number = asyncio.get_running_loop(), 0
    due = loop.time()
    while not stop.is_set():
        yield number
        number += 1
        due = max(due + 1 / rate, loop.time() - 0.5)
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _send(
    session: aiohttp.ClientSession, url: str, article: Mapping[str, Any], bucket: str, counts: Replayed
) -> None:
    counts.sent += 1
    try:
        async with session.post(url, json=request_of(article), headers={"x-reader-bucket": bucket}) as answer:
            await answer.read()
            counts.failed += answer.status != 200
            counts.by_arm[answer.headers.get("x-pressrun-arm", "none")] += 1
    except (aiohttp.ClientError, OSError, TimeoutError):
        counts.failed += 1


def request_of(article: Mapping[str, Any]) -> dict[str, Any]:
    """The Open Inference Protocol request for one article, as a new impression."""
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [str(article.get(name) or "")]}
        for name in ("title", "body")
    ]
    article_id = article.get("article_id")
    parameters = {"article_id": article_id, "impression_id": uuid4().hex}
    return {"inputs": inputs, "parameters": {k: v for k, v in parameters.items() if v is not None}}
