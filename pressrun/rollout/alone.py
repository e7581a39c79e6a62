"""A canary without a loop around it: between any two servers of the Open Inference Protocol, on requests of a file.

The requests go through the same router, counts, looks and state machine as in a rollout. Nothing is started, stopped or
promoted here: what comes out is a verdict.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

import aiohttp

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.changes import verdict_of
from pressrun.rollout.endpoint import Endpoint, Probe
from pressrun.rollout.machine import advance
from pressrun.rollout.measuring import Measure
from pressrun.rollout.router import Route, Router
from pressrun.rollout.seen import ArmSeen, Observed, SetWeights
from pressrun.rollout.traffic import Counts
from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm, Phase, RolloutPlan, RolloutState, Traffic
from pressrun.verdict import Verdict

START_WITHIN = timedelta(seconds=10)
TICK_SECONDS = 0.05
MOST_UNDER_WAY = 64
GENERATION = 1
_HEADERS = {"content-type": "application/json"}
_DECIDED = (Phase.PROMOTING, Phase.ROLLING_BACK)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The canary at one moment; `weight` is the candidate's share in percent, `counts` those of the present step."""

    phase: Phase
    weight: int
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Canaried:
    """How it ended; `weight` is the candidate's share when it was decided."""

    verdict: Verdict
    traffic: Traffic
    weight: int


async def canary(
    champion: Endpoint,
    candidate: Endpoint,
    requests: Sequence[bytes],
    *,
    policy: Rollout,
    rate: float = 20.0,
    pipeline: str = "alone",
    told: Callable[[Seen], None] = lambda seen: None,
    start_within: timedelta = START_WITHIN,
    most_under_way: int = MOST_UNDER_WAY,
    clock: Callable[[], float] = time.perf_counter,
) -> Canaried:
    """Replays the requests, over and over at `rate` a second, until the candidate has passed every step or failed.

    What the candidate does not answer the champion does, as readers would see it. `told` hears of every tick.
    """
    plan = _plan(champion, candidate, policy, pipeline, start_within)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        router = Router(record=lambda model: None, clock=clock)
        router.use(session)
        urls = {CHAMPION: champion.infer, CANDIDATE: candidate.infer}
        control = _Control(
            plan, Route(urls=urls), {arm: Probe(one, session) for arm, one in _arms(champion, candidate)}
        )
        replaying = asyncio.create_task(_replay(router, control.route, requests, rate, most_under_way))
        try:
            await control.run(told)
        finally:
            await _ended(replaying)
            await router.close()
    return control.result((f"champion {champion.model}", f"candidate {candidate.model}"))


class _Control:
    """What a supervisor is to its servers, without the servers: observes, asks the state machine, sets the weights."""

    def __init__(self, plan: RolloutPlan, route: Route, probes: dict[str, Probe]) -> None:
        self.route = route
        self._plan, self._probes, self._measure = plan, probes, Measure(route)
        self._state = RolloutState(since=datetime.now(UTC))

    async def run(self, told: Callable[[Seen], None]) -> None:
        """Ticks until it is decided."""
        await asyncio.gather(*(probe.look() for probe in self._probes.values()))
        watching = [asyncio.create_task(probe.watch()) for probe in self._probes.values()]
        try:
            while self._state.phase not in _DECIDED:
                self._tick()
                told(self._seen())
                await asyncio.sleep(TICK_SECONDS)
        finally:
            for task in watching:
                await _ended(task)

    def result(self, notes: tuple[str, ...]) -> Canaried:
        """The verdict; it names no digest, since what these servers serve is not ours to know."""
        verdict = verdict_of(self._plan, self._state)
        unknown = dict.fromkeys(("model_version", "model_digest", "champion_version", "champion_digest"))
        named = verdict.model_copy(update={**unknown, "notes": (*verdict.notes, *notes)})
        weight = self._state.decided_weight
        return Canaried(verdict=named, traffic=self.route.counts.summary(), weight=weight)

    def _tick(self) -> None:
        self._measure.enter(self._plan, self._state)
        self._state, actions = advance(self._plan, self._observed(), self._state, datetime.now(UTC))
        for action in actions:
            if isinstance(action, SetWeights):
                self.route.weights = dict(action.weights)

    def _observed(self) -> Observed:
        return Observed(
            generation=GENERATION,
            arms={arm: ArmSeen(replicas=1, ready=int(probe.ready)) for arm, probe in self._probes.items()},
            weights=self.route.weights,
            champion_digest=self._plan.champion.digest if self._plan.champion else None,
            checks=self._measure.checks(self._plan, self._state),
            requests=self.route.counts.arm(CANDIDATE).requests,
        )

    def _seen(self) -> Seen:
        weight = self.route.weights.get(CANDIDATE, 0)
        return Seen(phase=self._state.phase, weight=weight, counts=self.route.counts)


async def _replay(router: Router, route: Route, requests: Sequence[bytes], rate: float, most: int) -> None:
    """Each request is a reader of its own, so that the shares hold at any number of requests."""
    room, under_way = asyncio.Semaphore(most), set[asyncio.Task[None]]()
    try:
        async for number in _paced(rate):
            await room.acquire()
            task = asyncio.create_task(_send(router, route, requests[number % len(requests)]))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(lambda _: room.release())
    finally:
        if under_way:
            await asyncio.wait(under_way)


async def _send(router: Router, route: Route, body: bytes) -> None:
    await router.answer(route, body, bucket=random.random() * 100, path="", headers=dict(_HEADERS))


async def _paced(rate: float) -> AsyncIterator[int]:
    """0, 1, 2, ... at `rate` a second; a late one is not made up for by a burst."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in count():
        yield number
        due = max(due + 1 / rate, loop.time() - 0.5)
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _plan(
    champion: Endpoint, candidate: Endpoint, policy: Rollout, pipeline: str, start_within: timedelta
) -> RolloutPlan:
    return RolloutPlan(
        model=candidate.name,
        pipeline=pipeline,
        step_key="",
        arms=tuple(Arm(name=arm, model=_model(one)) for arm, one in _arms(champion, candidate)),
        policy=policy,
        generation=GENERATION,
        start_within=start_within,
    )


def _arms(champion: Endpoint, candidate: Endpoint) -> tuple[tuple[str, Endpoint], ...]:
    return (CHAMPION, champion), (CANDIDATE, candidate)


def _model(endpoint: Endpoint) -> ModelRef:
    digest = sha256(endpoint.model.encode()).hexdigest()
    return ModelRef(name=endpoint.name, version="", digest=digest, run_id="", bundle="")
