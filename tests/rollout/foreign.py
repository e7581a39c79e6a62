"""Small Open Inference Protocol servers that have nothing of Pressrun: a good one, a slow one, a failing one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class Clock:
    """Time that passes only when a server says that it works: no test waits or measures."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Foreign:
    """A server of the model `name`: `fails` says which of its requests fail, `works` for how long it takes each."""

    name: str
    clock: Clock
    works: float = 0.0005
    fails: Callable[[int], bool] = lambda number: False
    output: str = "scores"
    turned: bool = False
    ready: bool = True
    asked: int = 0
    url: str = ""

    async def _infer(self, request: web.Request) -> web.Response:
        document = await request.json()
        self.asked += 1
        self.clock.seconds += self.works
        if self.fails(self.asked):
            return web.json_response({"error": "out of ink"}, status=500)
        return web.json_response({"model_name": self.name, "model_version": "9", "outputs": [self._output(document)]})

    def _output(self, document: dict[str, list[dict[str, list[float]]]]) -> dict[str, object]:
        numbers = document["inputs"][0]["data"]
        scores = [[value, 1 - value] if not self.turned else [1 - value, value] for value in numbers]
        if self.output == "label":
            data: list[object] = ["big" if first > second else "small" for first, second in scores]
            return {"name": "class", "datatype": "BYTES", "shape": [len(data)], "data": data}
        flat: list[object] = [value for row in scores for value in row]
        return {"name": "scores", "datatype": "FP32", "shape": [len(scores), 2], "data": flat}

    async def _ready(self, request: web.Request) -> web.Response:
        return web.json_response({"name": self.name}, status=200 if self.ready else 503)


@contextmanager
def serving(*servers: Foreign) -> Iterator[None]:
    """Runs the servers on ports of their own, in a thread of their own."""
    up, loop, runners = threading.Event(), asyncio.new_event_loop(), list[web.AppRunner]()

    async def start() -> None:
        for server in servers:
            app = web.Application()
            path = f"/v2/models/{server.name}"
            app.add_routes([web.post(f"{path}/infer", server._infer), web.get(f"{path}/ready", server._ready)])
            runner = web.AppRunner(app, shutdown_timeout=1.0)
            runners.append(runner)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            server.url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        up.set()

    async def stop() -> None:
        for runner in runners:
            await runner.cleanup()

    def run() -> None:
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert up.wait(30)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def requests(count: int = 10) -> list[bytes]:
    """Requests as any client would send them."""
    return [
        json.dumps(
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [round(number / count, 2)]}]}
        ).encode()
        for number in range(count)
    ]
