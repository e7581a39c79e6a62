"""Keeps one model's servers and traffic as its record wants them: observes, asks the state machine, acts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp

from pressrun.config.environment import Environment
from pressrun.registry import ModelRef
from pressrun.rollout import changes, processes
from pressrun.rollout.machine import advance, resume
from pressrun.rollout.measuring import Measure
from pressrun.rollout.processes import Server
from pressrun.rollout.record import RecordStore
from pressrun.rollout.router import Route
from pressrun.rollout.seen import Action, ArmSeen, Observed, RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.types import CANDIDATE, CHAMPION, EventKind, RolloutPlan, RolloutRecord, RolloutState

MOST_BACKOFF = 30.0
REPORT_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Keeper:
    """One model under a supervisor. Servers are told apart by the generation that started them."""

    def __init__(
        self,
        *,
        environment: Environment,
        store: RecordStore,
        model: str,
        session: aiohttp.ClientSession,
        route: Route,
        command: Sequence[str],
        ports: set[int],
    ) -> None:
        self.model, self.route, self.servers = model, route, dict[int, Server]()
        self._environment, self._store, self._session = environment, store, session
        self._command, self._ports = command, ports
        self._crashes: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._measure, self._reported = Measure(route), 0.0
        self._stops: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Any:
        return self._store.root / self.model

    @property
    def live(self) -> set[str]:
        """The ids of servers that may still write predictions."""
        return {server.server_id for server in self.servers.values()}

    def adopt(self) -> None:
        """Takes over from a supervisor that died: ends what it left running, and measures the present step anew."""

        def change(record: RolloutRecord) -> RolloutRecord:
            state = resume(record.state, _now()) if record.state else None
            return record.model_copy(update={"state": state, "handles": ()})

        before = self._store.read(self.model)
        killed = [handle for handle in (before.handles if before else ()) if processes.kill_orphan(handle)]
        for handle in killed:
            self._tell("adopted", f"ended the {handle.arm}'s server that a dead supervisor left, process {handle.pid}")
        self._store.update(self.model, change)

    async def tick(self) -> None:
        """One look at the world and one step towards what the record wants."""
        record = await asyncio.to_thread(self._store.read, self.model)
        if record is None:
            return
        self._notice_ends()
        if record.active and record.plan and record.state:
            await self._advance(record, record.plan, record.state)
        else:
            await self._rest(record)

    async def close(self) -> None:
        """Stops every server in order."""
        self.route.weights = {}
        await asyncio.gather(*(processes.stop(server) for server in self.servers.values()), *self._stops)
        self.servers.clear()
        self._store.update(self.model, lambda record: record.model_copy(update={"handles": ()}))

    async def _rest(self, record: RolloutRecord) -> None:
        """No rollout: the champion runs, nothing else does, and a queued plan begins."""
        self._store.update(self.model, lambda present: changes.begun(changes.ended(present, _now()), _now()))
        wanted = record.champion_generation
        for generation in [g for g in self.servers if g != wanted]:
            await self._stop(generation)
        if record.champion and wanted not in self.servers:
            await self._start(record.champion, CHAMPION, wanted)
        champion = self.servers.get(wanted)
        self.route.generation, self.route.shadow = 0, 0.0
        self._point({CHAMPION: champion} if champion else {})
        self.route.weights = {CHAMPION: 100} if champion and champion.ready else {}

    async def _advance(self, record: RolloutRecord, plan: RolloutPlan, state: RolloutState) -> None:
        self._measure.enter(plan, state, record.evidence)
        self._measure.hear(record.reported, plan, state)
        arms = self._arms(plan)
        self._point(arms)
        observed = self._observe(record, plan, arms)
        after, actions = advance(plan, observed, state, _now())
        self._save(plan, state, after)
        for action in actions:
            await self._do(action, plan)

    def _save(self, plan: RolloutPlan, before: RolloutState, after: RolloutState) -> None:
        """Writes the new state if the same rollout is still the one under way; now and then the counts too."""
        loop_time = asyncio.get_running_loop().time()
        if before == after and loop_time - self._reported < REPORT_SECONDS:
            return
        self._reported = loop_time
        seen = {"traffic": self.route.counts.summary(), "evidence": self._measure.evidence}

        def change(record: RolloutRecord) -> RolloutRecord:
            if record.plan is None or record.plan.generation != plan.generation:
                return record
            record = record.model_copy(update=seen)
            return changes.ended(changes.moved(record, after, _now()), _now())

        self._store.update(self.model, change)

    def _arms(self, plan: RolloutPlan) -> dict[str, Server]:
        """The servers by the plan's arms: its own generation is the candidate, the one before it the champion."""
        arms = {CANDIDATE: self.servers[plan.generation]} if plan.generation in self.servers else {}
        older = [server for generation, server in self.servers.items() if generation != plan.generation]
        return {**arms, CHAMPION: older[-1]} if older else arms

    def _observe(self, record: RolloutRecord, plan: RolloutPlan, arms: dict[str, Server]) -> Observed:
        crashes = self._crashes.get(plan.generation, 0)
        return Observed(
            generation=plan.generation,
            arms={
                name: ArmSeen(
                    replicas=int(name in arms), ready=int(name in arms and arms[name].ready),
                    crashes=crashes if name == CANDIDATE else 0,
                )
                for name in (CHAMPION, CANDIDATE)
            },
            weights=self.route.weights,
            champion_digest=record.champion.digest if record.champion else None,
            champion_generation=record.champion_generation if record.champion else -1,
            intents=record.intents,
            checks=self._measure.checks(plan, record.state),
            requests=self.route.counts.arm(CANDIDATE).requests,
        )  # fmt: skip

    def _point(self, arms: dict[str, Server]) -> None:
        self.route.urls = {name: server.url for name, server in arms.items() if not server.stopping}
        self.route.generations = {name: server.handle.generation for name, server in arms.items()}

    async def _do(self, action: Action, plan: RolloutPlan) -> None:
        match action:
            case SetWeights(weights):
                self.route.weights = dict(weights)
            case ScaleArm(arm):
                await self._start_arm(arm, plan)
            case RemoveArm(arm):
                for generation in [g for g in self.servers if (g == plan.generation) == (arm == CANDIDATE)]:
                    await self._stop(generation)
            case SwitchChampion():
                self._store.update(self.model, lambda record: changes.switched(record, plan, _now()))

    async def _start_arm(self, arm: str, plan: RolloutPlan) -> None:
        record = self._store.read(self.model)
        if arm == CANDIDATE:
            await self._start(plan.candidate, CANDIDATE, plan.generation)
        elif record and record.champion:
            await self._start(record.champion, CHAMPION, record.champion_generation)

    async def _start(self, model: ModelRef, arm: str, generation: int) -> None:
        loop_time = asyncio.get_running_loop().time()
        if generation in self.servers or loop_time < self._not_before.get(generation, 0.0):
            return
        try:
            server = await self._launch(model, arm, generation)
        except (OSError, processes.NoPort) as error:
            self._crashed(generation, f"the {arm}'s server cannot be started: {error}")
            return
        server.tasks.append(asyncio.create_task(processes.probe(server, self._session)))
        self.servers[generation] = server
        self._record_handles()
        self._tell("started", f"{arm}, version {model.version}, process {server.handle.pid}, port {server.handle.port}")

    async def _launch(self, model: ModelRef, arm: str, generation: int) -> Server:
        serving = self._environment.serving
        port = processes.free_port(serving.host, serving.arm_ports, self._ports)
        self._ports.add(port)
        # The route says `model` whatever the registry calls it, and so must the server's paths.
        named = model.model_copy(update={"name": self.model})
        return await processes.start(
            model=named, arm=arm, generation=generation, host=serving.host, port=port, folder=self.folder,
            command=self._command,
        )  # fmt: skip

    async def _stop(self, generation: int) -> None:
        """Takes the server out of the routes at once and waits for its end in the background."""
        server = self.servers[generation]
        if server.stopping:
            return
        server.stopping = True
        task = asyncio.create_task(self._stopped(generation, server))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def _stopped(self, generation: int, server: Server) -> None:
        await processes.stop(server)
        self.servers.pop(generation, None)
        self._ports.discard(server.handle.port)
        self._record_handles()
        self._tell("stopped", f"version {server.handle.model.version}, process {server.handle.pid}")

    def _notice_ends(self) -> None:
        for generation, server in list(self.servers.items()):
            if server.running or server.stopping:
                continue
            self.servers.pop(generation)
            self._ports.discard(server.handle.port)
            code = server.process.returncode
            self._crashed(generation, f"process {server.handle.pid} ended by itself ({code}): {server.last_words()}")

    def _crashed(self, generation: int, text: str) -> None:
        self._crashes[generation] = self._crashes.get(generation, 0) + 1
        pause = min(MOST_BACKOFF, 0.5 * 2 ** min(self._crashes[generation], 10) - 1.0)
        self._not_before[generation] = asyncio.get_running_loop().time() + pause
        _log.warning("%s: %s", self.model, text)
        self._record_handles()
        self._tell("crashed", text)

    def _record_handles(self) -> None:
        handles = tuple(server.handle for server in self.servers.values())
        self._store.update(self.model, lambda record: record.model_copy(update={"handles": handles}))

    def _tell(self, kind: EventKind, text: str) -> None:
        self._store.update(self.model, lambda record: changes.told(record, kind, text, _now()))


def _now() -> datetime:
    return datetime.now(UTC)
