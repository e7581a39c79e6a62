"""`supervise`: the long-lived process beside the servers it controls, with the router in front of them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import aiohttp
from aiohttp import web

from pressrun.config.environment import Environment
from pressrun.lake.lake import Lake
from pressrun.rollout.keeper import Keeper
from pressrun.rollout.processes import SERVER
from pressrun.rollout.record import RecordStore
from pressrun.rollout.router import Route, Router
from pressrun.rollout.shipping import ship

TICK_SECONDS = 0.2
SHIP_SECONDS = 3.0
_log = logging.getLogger(__name__)


class AlreadySupervised(Exception):
    """Another supervisor holds this home; stop that one first, or use it."""


def supervise(environment: Environment, *, command: Sequence[str] = SERVER) -> None:
    """Runs router, servers and rollouts of every model in `environment.home` until SIGTERM or Ctrl-C.

    `command` starts one server; the options of `python -m pressrun.serving` are added to it. Raises AlreadySupervised,
    and OSError when the router's port is taken.
    """
    with alone(environment):
        asyncio.run(_Supervisor(environment, command).run())


def supervisor_alive(environment: Environment) -> bool:
    """Whether a supervisor holds this home. Looking leaves nothing behind and keeps no supervisor from starting."""
    try:
        with open(_lock_file(environment), "rb") as file:
            return _held(file)
    except FileNotFoundError:
        return False


class _Supervisor:
    def __init__(self, environment: Environment, command: Sequence[str]) -> None:
        self._environment, self._command = environment, command
        self._store = RecordStore(environment)
        self._router = Router(record=self._store.read)
        self._lake = Lake(environment.lake.root, environment.lake.storage_options)
        self._keepers: dict[str, Keeper] = {}
        self._ports: set[int] = set()
        self._failing: dict[str, str] = {}

    async def run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            runner = web.AppRunner(self._router.app(session), access_log=None)
            await runner.setup()
            try:
                await self._listen(runner)
                await self._until(stop, session)
            finally:
                await runner.cleanup()
                await self._close()

    async def _listen(self, runner: web.AppRunner) -> None:
        serving = self._environment.serving
        try:
            await web.TCPSite(runner, serving.host, serving.router_port).start()
        except OSError as error:
            remedy = "stop what listens there, or set serving.router_port in the environment's file"
            raise OSError(f"the router cannot listen on {serving.host}:{serving.router_port}: {remedy}") from error

    async def _until(self, stop: asyncio.Event, session: aiohttp.ClientSession) -> None:
        shipping = asyncio.create_task(self._ship())
        try:
            while not stop.is_set():
                await self._tick(session)
                await _wait(stop, TICK_SECONDS)
        finally:
            shipping.cancel()
            await asyncio.gather(shipping, return_exceptions=True)

    async def _tick(self, session: aiohttp.ClientSession) -> None:
        for model in self._store.models():
            try:
                if model not in self._keepers:
                    keeper = self._keeper(model, session)
                    keeper.adopt()
                    self._keepers[model] = keeper
                await self._keepers[model].tick()
                self._failing.pop(model, None)
            except Exception as error:
                self._tell_once(model, error)

    def _tell_once(self, model: str, error: Exception) -> None:
        """Ticks come five times a second: what fails again and again is told when it begins and when it changes."""
        if self._failing.get(model) != str(error):
            self._failing[model] = str(error)
            _log.error("%s: this tick failed; each next one tries again", model, exc_info=error)

    def _keeper(self, model: str, session: aiohttp.ClientSession) -> Keeper:
        route = self._router.routes.setdefault(model, Route())
        return Keeper(
            environment=self._environment, store=self._store, model=model, session=session, route=route,
            command=self._command, ports=self._ports,
        )  # fmt: skip

    async def _ship(self) -> None:
        while True:
            await asyncio.sleep(SHIP_SECONDS)
            try:
                await self._ship_once()
            except Exception:
                _log.exception("predictions stay in their spool; the next shipment tries again")

    async def _ship_once(self) -> None:
        for model, keeper in list(self._keepers.items()):
            spool, live = keeper.folder / "spool", keeper.live
            await asyncio.to_thread(ship, self._lake, spool, pipeline=model, live=live)

    async def _close(self) -> None:
        await self._router.close()
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))
        await self._ship_once()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@contextmanager
def alone(environment: Environment) -> Iterator[None]:
    """Holds the home's lock; the system lets go of it when this process ends, however it ends.

    Raises AlreadySupervised.
    """
    path = _lock_file(environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        _take(file, environment)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid()}).encode())
        file.flush()
        yield


def _take(file: IO[bytes], environment: Environment) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if _held(file):
                raise AlreadySupervised(_holder(environment)) from None
        # Whoever looks for a supervisor shares the lock for a moment.
        time.sleep(0.01)


def _held(file: IO[bytes]) -> bool:
    """Whether another has the lock for itself, as a supervisor does."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _lock_file(environment: Environment) -> Path:
    return environment.home / "rollouts" / "supervisor.lock"


def _holder(environment: Environment) -> str:
    said = _lock_file(environment).read_text(encoding="utf-8")
    return f"a supervisor {said} holds {environment.home} already: stop it, or use another home"
