"""`serve`: one process that answers for one model version until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from uuid import uuid4

from granian.constants import Interfaces
from granian.server.embed import Server

import pressrun.bundle as bundles
from pressrun import tracing
from pressrun.serving.app import App
from pressrun.serving.log import PredictionLog
from pressrun.serving.parent import die_with_parent
from pressrun.serving.protocol import Identity
from pressrun.serving.scoring import warm_up

DRAIN_SECONDS = 10.0
_LEAVE_SECONDS = 0.3
_log = logging.getLogger(__name__)


class WrongModel(Exception):
    """The bundle is not the one that was asked for; trying again does not help, registering it again does."""


def serve(
    bundle_folder: Path | str,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    model: str,
    version: str,
    arm: str = "champion",
    generation: int = 0,
    spool: Path | str | None = None,
    digest: str | None = None,
    depth: int = 64,
    server_id: str | None = None,
    parent: int | None = None,
    controller: str | None = None,
) -> None:
    """Serves the bundle on `host`:`port` until SIGTERM or Ctrl-C, then answers what is under way and leaves.

    `spool` is the folder of the prediction log (None: no log) and `server_id` the source of its rows; `digest` is what
    the bundle must be, `depth` how many requests may wait, `parent` the process to die with, `controller` who says what
    to shadow. Raises WrongModel when the bundle has another digest.
    """
    if parent is not None:
        die_with_parent(parent)
    traced = tracing.export("pressrun-server")
    bundle = bundles.load_bundle(Path(bundle_folder))
    if digest is not None and bundle.digest != digest:
        raise WrongModel(f"{bundle_folder} holds the model {bundle.digest}, asked for was {digest}: register it again")
    warm_up(bundle)
    identity = Identity(model=model, version=version, digest=bundle.digest, arm=arm, generation=generation)
    server_id = server_id or f"{model}-g{generation}-{uuid4().hex[:12]}"
    log = PredictionLog(Path(spool), server_id=server_id) if spool else None
    app = App(bundle, identity=identity, log=log, depth=depth, controller=controller, traced=traced)
    asyncio.run(_run(app, host, port, log))


async def _run(app: App, host: str, port: int, log: PredictionLog | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(app, address=host, port=port, interface=Interfaces.RSGI, websockets=False, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    ticking = asyncio.create_task(_tick(log))
    stopped = asyncio.create_task(stop.wait())
    following = asyncio.create_task(app.shadow.follow() if app.shadow else stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await _drain(app)
        server.stop()  # type: ignore[no-untyped-call]
    for task in (ticking, stopped, following):
        task.cancel()
    await serving
    app.queue.close()
    if log is not None:
        log.close()


async def _drain(app: App) -> None:
    """Says "not ready" for long enough to be noticed, then waits for what is under way."""
    app.draining = True
    await asyncio.sleep(_LEAVE_SECONDS)
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    while app.queue.pending and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 -- polled for 10 s at most
        await asyncio.sleep(0.02)


async def _tick(log: PredictionLog | None) -> None:
    while log is not None:
        await asyncio.sleep(1.0)
        try:
            log.tick()
        except OSError:
            _log.exception("the prediction log in process %s cannot be written", os.getpid())
