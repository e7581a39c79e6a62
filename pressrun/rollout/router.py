"""The router: every request comes through it, so it alone says what failed and how long it took.

A reader keeps an arm as long as its share does not shrink. What the candidate cannot answer is asked of the champion
once, so that readers see few failures; it counts against the candidate all the same. A share of the requests is put to
the other arm as well, to compare the answers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
from aiohttp import web

from pressrun.agreement import compared, statements
from pressrun.rollout.page import render_page
from pressrun.rollout.traffic import Counts, bucket_of, pick
from pressrun.rollout.types import CANDIDATE, CHAMPION, RolloutRecord

MAX_BODY = 4_000_000
ARM_SECONDS = 3.0
MOST_SHADOWS = 16
_PASSED_ON = ("content-type", "accept")


@dataclass
class Route:
    """Where one model's requests go. The supervisor sets it; `generation` 0 means that no rollout is under way."""

    weights: dict[str, int] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    generation: int = 0
    shadow: float = 0.0
    declines_below: float = 0.0
    counts: Counts = field(default_factory=Counts)

    def other(self, arm: str) -> str | None:
        """An arm to ask instead of `arm`: the champion, or when that is `arm` itself one that has traffic."""
        rest = [name for name in self.urls if name != arm and (name == CHAMPION or self.weights.get(name))]
        return rest[0] if rest else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an arm said; status 0 when it said nothing."""

    arm: str
    status: int
    body: bytes
    milliseconds: float

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """The request is at fault, the arm says."""
        return 400 <= self.status < 500 and self.status != 429


class Router:
    """The HTTP surface in front of all models' arms."""

    def __init__(
        self, *, record: Callable[[str], RolloutRecord | None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.routes: dict[str, Route] = {}
        self._record, self._clock = record, clock
        self._shadows: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def app(self, session: aiohttp.ClientSession) -> web.Application:
        """The aiohttp application; `session` is used for the arms."""
        self.use(session)
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/healthz", self._live),
                web.get("/readyz", self._ready),
                web.get("/v2/health/live", self._live),
                web.get("/v2/health/ready", self._ready),
                web.get("/metrics", self._metrics),
                web.get("/rollouts/{model}", self._page),
                web.post("/predict", self._predict),
                web.post("/predict/{model}", self._predict),
                web.post("/v2/models/{model}/infer", self._infer),
                web.get("/v2/models/{model}", self._describe),
                web.get("/v2/models/{model}/ready", self._describe),
            ]
        )
        return app

    def use(self, session: aiohttp.ClientSession) -> None:
        """Asks the arms by this session from now on."""
        self._session = session

    async def answer(
        self, route: Route, body: bytes, *, bucket: float, path: str, headers: dict[str, str]
    ) -> Answer | None:
        """Lets the arm of this bucket answer, and counts. `path` follows the arm's URL. None when no arm is ready."""
        arm = pick(route.weights, bucket)
        if arm is None:
            return None
        return await self._answer(_Asked(route=route, path=path, body=body, headers=headers), arm)

    async def close(self) -> None:
        """Waits for the shadowed requests under way."""
        if self._shadows:
            await asyncio.wait(self._shadows, timeout=ARM_SECONDS)

    async def _infer(self, request: web.Request) -> web.Response:
        return await self._route(request, request.match_info["model"], request.path)

    async def _predict(self, request: web.Request) -> web.Response:
        model = request.match_info.get("model") or next(iter(self.routes), "")
        return await self._route(request, model, "/predict")

    async def _route(self, request: web.Request, model: str, path: str) -> web.Response:
        route = self.routes.get(model)
        if route is None:
            return _error(404, f"no model {model[:40]!r} here; there are: {', '.join(self.routes) or 'none yet'}")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"the body is larger than {MAX_BODY} bytes")
        bucket = bucket_of(
            given=request.headers.get("x-reader-bucket"), reader=request.headers.get("x-reader-id"),
            generation=route.generation,
        )  # fmt: skip
        answer = await self.answer(route, body, bucket=bucket, path=path, headers=_headers(request))
        if answer is None:
            return _error(503, f"no server of {model} is ready; try again in a few seconds", {"retry-after": "2"})
        return _response(answer)

    async def _answer(self, asked: _Asked, arm: str) -> Answer:
        route, counts = asked.route, asked.route.counts
        answer = await self._ask(asked, arm)
        second = route.other(arm) if answer.failed and not (answer.refused and arm == CHAMPION) else None
        final = await self._ask(asked, second) if second else answer
        if not (answer.refused and (final.refused or arm == CHAMPION)):
            counts.answered(arm, failed=answer.failed, milliseconds=answer.milliseconds)
        if second and not final.refused:
            counts.retried += 1
            counts.answered(second, failed=final.failed, milliseconds=final.milliseconds)
        counts.lost += final.failed and not final.refused
        if not answer.failed:
            self._shadow(asked, answer)
        return final

    def _shadow(self, asked: _Asked, answer: Answer) -> None:
        others = [name for name in asked.route.urls if name != answer.arm]
        if not others or len(self._shadows) >= MOST_SHADOWS or random.random() >= asked.route.shadow:
            return
        task = asyncio.create_task(self._compare(asked, answer, others[0]))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _compare(self, asked: _Asked, answer: Answer, other: str) -> None:
        counts, generation = asked.route.counts, asked.route.generation
        mirrored = await self._ask(asked, other, shadow=True)
        if asked.route.generation != generation or other not in asked.route.urls:
            return
        counts.answered(other, failed=mirrored.failed, milliseconds=mirrored.milliseconds)
        if mirrored.failed:
            return
        said = {other: statements(mirrored.body), answer.arm: statements(answer.body)}
        theirs = said[other if answer.arm == CANDIDATE else answer.arm]
        if both := compared(said.get(CANDIDATE, ()), theirs, below=asked.route.declines_below):
            counts.compared(both)

    async def _ask(self, asked: _Asked, arm: str, *, shadow: bool = False) -> Answer:
        url, started = asked.route.urls.get(arm), self._clock()
        status, body = 0, b""
        if url is not None and self._session is not None:
            headers = {
                **asked.headers,
                "x-pressrun-arm": arm,
                "x-pressrun-generation": str(asked.route.generations.get(arm, 0)),
                "x-pressrun-shadow": "1" if shadow else "0",
            }
            try:
                timeout = aiohttp.ClientTimeout(total=ARM_SECONDS)
                async with self._session.post(
                    url + asked.path, data=asked.body, headers=headers, timeout=timeout
                ) as got:
                    body, status = await got.read(), got.status
            except (aiohttp.ClientError, OSError, TimeoutError):
                status = 0
        return Answer(arm=arm, status=status, body=body, milliseconds=(self._clock() - started) * 1000)

    async def _describe(self, request: web.Request) -> web.Response:
        route = self.routes.get(request.match_info["model"])
        arm = next(iter(route.weights), None) if route else None
        if route is None or arm is None or self._session is None:
            return _error(404 if route is None else 503, "no server of that model is ready")
        try:
            timeout = aiohttp.ClientTimeout(total=ARM_SECONDS)
            async with self._session.get(route.urls[arm] + request.path, timeout=timeout) as got:
                return web.Response(status=got.status, body=await got.read(), content_type="application/json")
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError):
            return _error(503, "the model's server does not answer")

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready when it can answer for some model: one that waits for its first champion stops no other."""
        models = {model: bool(route.weights) for model, route in self.routes.items()}
        ready = any(models.values())
        return web.json_response({"ready": ready, "models": models}, status=200 if ready else 503)

    async def _page(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        record = self._record(model) if model in self.routes else None
        if record is None:
            return _error(404, f"no rollout of {model[:40]!r} yet")
        if request.query.get("format") == "json" or "text/html" not in request.headers.get("accept", ""):
            return web.Response(text=record.model_dump_json(), content_type="application/json")
        return web.Response(text=render_page(record), content_type="text/html")

    async def _metrics(self, request: web.Request) -> web.Response:
        lines = ["# TYPE pressrun_router_requests_total counter", "# TYPE pressrun_router_weight gauge"]
        for model, route in self.routes.items():
            for arm, count in route.counts.total.items():
                errors = route.counts.total_errors.get(arm, 0)
                names = f'model="{model}",arm="{arm}",generation="{route.generations.get(arm, 0)}"'
                lines.append(f'pressrun_router_requests_total{{{names},outcome="answered"}} {count - errors}')
                lines.append(f'pressrun_router_requests_total{{{names},outcome="failed"}} {errors}')
            lines += [f'pressrun_router_weight{{model="{model}",arm="{a}"}} {w}' for a, w in route.weights.items()]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    route: Route
    path: str
    body: bytes
    headers: dict[str, str]


def _headers(request: web.Request) -> dict[str, str]:
    """What is passed on: nothing of the reader, and the same request id to every arm that is asked."""
    kept = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    return {**kept, "x-request-id": request.headers.get("x-request-id", uuid4().hex)}


def _response(answer: Answer) -> web.Response:
    if answer.status == 0:
        return _error(502, "no server of the model answered; try again")
    headers = {"x-pressrun-arm": answer.arm}
    return web.Response(status=answer.status, body=answer.body, content_type="application/json", headers=headers)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": message}, status=status, headers=headers)
