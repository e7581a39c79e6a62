"""`serve`: one process that answers for its models until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from pressrun import tracing
from pressrun.serving.app import App, Logging
from pressrun.serving.hosting import Host, Limits, Placed
from pressrun.serving.log import PredictionLog
from pressrun.serving.metrics import Metrics
from pressrun.serving.parent import die_with_parent
from pressrun.serving.records import Privacy
from pressrun.serving.swapping import Swapper

DRAIN_SECONDS = 10.0
_LEAVE_SECONDS = 0.3
_LET_GO_SECONDS = 2.0
_SETTLED_SECONDS = 0.2
# It runs while a kept connection is idle as well, and who closes one that its gateway still means to use loses a
# request: Traefik keeps them for 90 s, load balancers of clouds for 60.
_HTTP1 = HTTP1Settings(header_read_timeout=120_000)
_BACKLOG = 2048
_OWN_FILES = 256
_HOSTS = "give 0.0.0.0 for all of this machine's addresses, or one of them"
# Requests leave no cycles behind, but many objects live while many are under way: looking through them at every 700th,
# as Python does by itself, takes a twentieth of the time.
_COLLECT_AT = 50_000
_log = logging.getLogger(__name__)


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
    limits: Limits | None = None,
    server_id: str | None = None,
    parent: int | None = None,
    controller: str | None = None,
    durable: bool = False,
    privacy: Privacy | None = None,
) -> None:
    """Serves the bundle on `host`:`port` until SIGTERM or Ctrl-C, then answers what is under way and leaves.

    `spool` is the folder of the prediction log (None: no log) and `server_id` what the source of its rows begins with;
    with `durable` nothing is answered that is not logged, and `privacy` says what of it is dropped or hashed. `digest`
    is what the bundle must be, `limits` what its requests may take, `parent` the process to die with, `controller` who
    says what to shadow. Raises BundleError, AddressTaken, NoSuchHost, and WrongModel when the bundle has another
    digest.
    """
    traced = _begin(parent, host, port)
    models = Host(metrics=Metrics(), limits=limits or Limits())
    placed = Placed(bundle=Path(bundle_folder), model=model, version=version, digest=digest)
    models.models = {model: models.load(placed, arm=arm, generation=generation)}
    log = _log_in(spool, server_id or f"{model}-g{generation}")
    app = App(models, logging=_logging(log, durable, privacy), controller=controller, traced=traced)
    uvloop.run(_run(app, models, host, port, log, app.shadow.follow if app.shadow else None))


def serve_models(
    file: Path | str,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    spool: Path | str | None = None,
    server_id: str | None = None,
    limits: Limits | None = None,
    parent: int | None = None,
    durable: bool = False,
    privacy: Privacy | None = None,
) -> None:
    """Serves all models that `file` names, and those that it names next: see `pressrun.serving.swapping`.

    The other arguments are those of `serve`, and what it raises as well. Raises ModelsFileError.
    """
    traced = _begin(parent, host, port)
    models = Host(metrics=Metrics(), limits=limits or Limits())
    log = _log_in(spool, server_id or "models")

    async def run() -> None:
        swapper = Swapper(models, Path(file))
        swapper.begin()
        app = App(models, logging=_logging(log, durable, privacy), traced=traced)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, swapper.hang_up)
        await _run(app, models, host, port, log, swapper.follow)

    uvloop.run(run())


class AddressTaken(Exception):
    """Somebody listens there already; another port helps, or ending whoever it is."""


class NoSuchHost(Exception):
    """It is no address of this machine; another helps."""


def _begin(parent: int | None, host: str, port: int) -> bool:
    """Whether answers are traced. Raises AddressTaken and NoSuchHost."""
    _refuse_taken(host, port)
    if parent is not None:
        die_with_parent(parent)
    # To a server of one bundle it means nothing, and to one that is still loading not yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A connection is a file; what most shells allow, 1,024, is less than one gateway may hold open.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.set_threshold(_COLLECT_AT)
    return tracing.export("pressrun-server")


def _refuse_taken(host: str, port: int) -> None:
    """Granian shares an address with whoever asks for it: a forgotten server would answer every other request."""
    for family, kind, number, _, address in _addresses(host, port):
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise NoSuchHost(f"{host} is no address of this machine; {_HOSTS}") from None
                raise AddressTaken(f"{host}:{port} cannot be had ({error.strerror}); give another --port") from None


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:  # the latter for what no name can be, as a..b
        reason = getattr(error, "strerror", None) or "no name of a host"
        raise NoSuchHost(f"{host} cannot be resolved ({reason}); {_HOSTS}") from None


def _address(host: str, port: int) -> str:
    """Granian takes no names. Of a name's addresses that of IPv4: who connects by the name tries it as well."""
    *_, address = min(_addresses(host, port), key=lambda one: one[0] != socket.AF_INET)
    return str(address[0])


def _connections() -> int:
    """How many may be open: what the process may have, less its own files. By itself granian takes as many as wait to
    be accepted, and idle ones would then keep everybody else out."""
    return max(_BACKLOG, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN_FILES)


def _log_in(spool: Path | str | None, server_id: str) -> PredictionLog | None:
    return PredictionLog(Path(spool), server_id=server_id) if spool else None


def _logging(log: PredictionLog | None, durable: bool, privacy: Privacy | None) -> Logging | None:
    return Logging(log=log, durable=durable, privacy=privacy or Privacy()) if log else None


async def _run(
    app: App,
    models: Host,
    host: str,
    port: int,
    log: PredictionLog | None,
    follow: Callable[[], Coroutine[Any, Any, None]] | None,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(
        app, address=_address(host, port), port=port, interface=Interfaces.RSGI, websockets=False, log_enabled=False,
        backlog=_BACKLOG, backpressure=_connections(), http1_settings=_HTTP1,
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    asyncio.get_running_loop().call_later(_SETTLED_SECONDS, _tell_where, serving, models, host, port)
    ticking = asyncio.create_task(_tick(log))
    stopped = asyncio.create_task(stop.wait())
    following = asyncio.create_task(follow() if follow else stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await _drain(app, models)
        server.stop()  # type: ignore[no-untyped-call]
    for task in (ticking, stopped, following):
        task.cancel()
    done, _ = await asyncio.wait({serving}, timeout=_LET_GO_SECONDS)
    _close(log)
    tracing.leave()
    if not done:
        # Who has sent half a request, or reads no answer, would hold this until somebody kills it.
        _log.warning("some clients hold on to their connections; this leaves without them")
        logging.shutdown()
        os._exit(0)
    await serving
    models.close()


def _tell_where(serving: asyncio.Task[None], models: Host, host: str, port: int) -> None:
    """Whoever started it by hand learns where to go."""
    if serving.done():
        return
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    named = ", ".join(f"{one.identity.model} v{one.identity.version}" for one in models.models.values())
    _log.info("serving %s on %s; to try it: %s/docs", named, address, address)


async def _drain(app: App, models: Host) -> None:
    """Says "not ready" for long enough to be noticed, then waits for what is under way."""
    app.draining = True
    await asyncio.sleep(_LEAVE_SECONDS)
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    while models.pending and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 -- polled for 10 s at most
        await asyncio.sleep(0.02)


def _close(log: PredictionLog | None) -> None:
    """A log that cannot be ended keeps nobody from leaving, nor the last spans from being told."""
    if log is None:
        return
    try:
        log.close()
    except OSError as error:
        _log.error("the prediction log's last segment cannot be ended: %s (%s)", error, log.spool)


async def _tick(log: PredictionLog | None) -> None:
    while log is not None:
        await asyncio.sleep(1.0)
        try:
            log.tick()
        except OSError:
            _log.exception("the prediction log in process %s cannot be written", os.getpid())
