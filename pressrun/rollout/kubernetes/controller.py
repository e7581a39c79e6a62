"""The controller: a small process beside the models that keeps each one's arms and traffic as its record wants them."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from aiohttp import web
from kubernetes.dynamic.exceptions import NotFoundError

from pressrun.rollout.kubernetes.cluster import ClusterApi, Refused, Unreachable
from pressrun.rollout.kubernetes.keeper import ClusterKeeper
from pressrun.rollout.kubernetes.leading import Leading
from pressrun.rollout.kubernetes.names import CONTROLLER, CONTROLLER_PORT
from pressrun.rollout.kubernetes.pages import pages
from pressrun.rollout.kubernetes.records import ClusterRecords
from pressrun.rollout.record import StaleRecord, UnreadableRecord

TICK_SECONDS = 1.0
# Threads that wait for the cluster; a model whose tick hangs keeps one of them.
MOST_AT_ONCE = 64
REST_SECONDS = 3.0
# Less than the pod's terminationGracePeriodSeconds.
LEAVE_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Controller:
    """All models of one namespace. A model whose tick fails is tried again; it holds up no other."""

    def __init__(self, api: ClusterApi, leading: Leading) -> None:
        self.keepers: dict[str, ClusterKeeper] = {}
        self._api, self._leading = api, leading
        self._records = ClusterRecords(api, controls=True)
        self._due: dict[str, float] = {}
        self._failing: dict[str, str] = {}
        self._ticks: dict[str, asyncio.Task[None]] = {}
        self._workers = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="tick")
        self._lists = ThreadPoolExecutor(1, thread_name_prefix="list")
        self._rounded = time.monotonic()

    async def run(self, *, port: int = CONTROLLER_PORT) -> None:
        """Until SIGTERM or Ctrl-C, and until the ticks that are under way then have ended.

        What it knows stands in the cluster. A tick that goes on while the interpreter ends finds its tools gone and
        takes that for a rollout which cannot be judged; one that still hangs is for the caller to leave behind.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = web.AppRunner(pages(self.keepers, silence=self._silence), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, None, port).start()
        try:
            while not stop.is_set():
                await self._round()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_SECONDS)
        finally:
            await self._ended_ticks()
            await runner.cleanup()

    async def _ended_ticks(self) -> None:
        if under_way := [tick for tick in self._ticks.values() if not tick.done()]:
            await asyncio.wait(under_way, timeout=LEAVE_SECONDS)

    async def _round(self) -> None:
        if self._leading.leads:
            try:
                models = await asyncio.get_running_loop().run_in_executor(self._lists, self._records.models)
                self._failing.pop("", None)
                self._begin_ticks(models)
            except (Unreachable, Refused, NotFoundError) as error:
                self._tell_once("", error)
            except Exception as error:
                self._tell_once("", error, trace=True)
        self._rounded = time.monotonic()

    def _begin_ticks(self, models: Iterable[str]) -> None:
        """One task a model: whoever still waits for the cluster, or hangs, is waited for by nobody else."""
        for model in models:
            busy = model in self._ticks and not self._ticks[model].done()
            if not busy and self._is_due(model):
                self._ticks[model] = asyncio.create_task(self._tick(model))

    def _silence(self) -> float:
        return time.monotonic() - self._rounded

    def _is_due(self, model: str) -> bool:
        return asyncio.get_running_loop().time() >= self._due.get(model, 0.0)

    async def _tick(self, model: str) -> None:
        keeper = self.keepers.setdefault(model, ClusterKeeper(self._api, self._records, model))
        try:
            active = await asyncio.get_running_loop().run_in_executor(self._workers, keeper.tick)
            self._failing.pop(model, None)
        except (Unreachable, Refused, StaleRecord, UnreadableRecord) as error:
            self._tell_once(model, error)
            return
        except Exception as error:
            self._tell_once(model, error, trace=True)
            return
        self._due[model] = asyncio.get_running_loop().time() + (0.0 if active else REST_SECONDS)

    def _tell_once(self, model: str, error: Exception, *, trace: bool = False) -> None:
        """Ticks come every second: what fails again and again is told when it begins and when it changes."""
        if self._failing.get(model) != str(error):
            self._failing[model] = str(error)
            _log.error(
                "%s: %s; the next tick tries again", model or CONTROLLER, error, exc_info=error if trace else None
            )
