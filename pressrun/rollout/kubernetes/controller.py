"""The controller: a small process beside the models that keeps each one's arms and traffic as its record wants them."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

from aiohttp import web

from pressrun.rollout.kubernetes.cluster import ClusterApi, Refused, Unreachable
from pressrun.rollout.kubernetes.keeper import ClusterKeeper
from pressrun.rollout.kubernetes.leading import Leading
from pressrun.rollout.kubernetes.names import CONTROLLER, CONTROLLER_PORT
from pressrun.rollout.kubernetes.pages import pages
from pressrun.rollout.kubernetes.records import ClusterRecords
from pressrun.rollout.record import StaleRecord, UnreadableRecord

TICK_SECONDS = 1.0
REST_SECONDS = 3.0
_log = logging.getLogger(__name__)


class Controller:
    """All models of one namespace. A model whose tick fails is tried again; it holds up no other."""

    def __init__(self, api: ClusterApi, leading: Leading) -> None:
        self.keepers: dict[str, ClusterKeeper] = {}
        self._api, self._leading = api, leading
        self._records = ClusterRecords(api, controls=True)
        self._due: dict[str, float] = {}
        self._failing: dict[str, str] = {}

    async def run(self, *, port: int = CONTROLLER_PORT) -> None:
        """Until SIGTERM or Ctrl-C. What it knows stands in the cluster, so it just leaves."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = web.AppRunner(pages(self.keepers), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, None, port).start()
        try:
            while not stop.is_set():
                await self._round()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_SECONDS)
        finally:
            await runner.cleanup()

    async def _round(self) -> None:
        if not self._leading.leads:
            return
        try:
            models = await asyncio.to_thread(self._records.models)
        except (Unreachable, Refused) as error:
            self._tell_once("", error)
            return
        await asyncio.gather(*(self._tick(model) for model in models if self._is_due(model)))

    def _is_due(self, model: str) -> bool:
        return asyncio.get_running_loop().time() >= self._due.get(model, 0.0)

    async def _tick(self, model: str) -> None:
        keeper = self.keepers.setdefault(model, ClusterKeeper(self._api, self._records, model))
        try:
            active = await asyncio.to_thread(keeper.tick)
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
