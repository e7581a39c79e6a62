"""Server processes of arms: started, probed, stopped. None outlives its supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
import psutil

from pressrun.registry import ModelRef
from pressrun.rollout.types import Handle

SERVER: tuple[str, ...] = (sys.executable, "-m", "pressrun.serving")
STOP_SECONDS = 5.0
PROBE_SECONDS = 0.5
PROBE_TIMEOUT = 2.0
FIRST_PROBE_TIMEOUT = 15.0
MOST_MISSES = 4
_log = logging.getLogger(__name__)


class NoPort(Exception):
    """Every port of `environment.serving.arm_ports` is taken; widen the range or stop what holds them."""


@dataclass
class Server:
    """One running server. `ready` follows its readiness probe; it takes `MOST_MISSES` misses in a row to lose it."""

    handle: Handle
    url: str
    server_id: str
    process: asyncio.subprocess.Process
    log: Path
    ready: bool = False
    misses: int = 0
    stopping: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def last_words(self) -> str:
        """The last line of its log, for the reason of a crash."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""


def free_port(host: str, ports: tuple[int, int], taken: Collection[int]) -> int:
    """The first port of the range that nobody listens on. Raises NoPort."""
    for port in range(ports[0], ports[1] + 1):
        if port not in taken and _is_free(host, port):
            return port
    raise NoPort(f"ports {ports[0]} to {ports[1]} of {host} are all taken: widen serving.arm_ports of the environment")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def start(
    *, model: ModelRef, arm: str, generation: int, host: str, port: int, folder: Path, command: Sequence[str] = SERVER
) -> Server:
    """Starts a server for `model`; its log and its predictions go below `folder`."""
    server_id = f"{model.name}-g{generation}-{uuid4().hex[:12]}"
    log = folder / "logs" / f"{server_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    given = {
        "host": host, "port": port, "model": model.name, "version": model.version, "digest": model.digest, "arm": arm,
        "generation": generation, "spool": folder / "spool", "server-id": server_id, "parent": os.getpid(),
    }  # fmt: skip
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    with open(log, "ab") as output:  # noqa: ASYNC230 -- a local file, opened once a server
        # A session of its own, so that Ctrl-C reaches the supervisor alone, which then stops its servers in order.
        process = await asyncio.create_subprocess_exec(
            *command, model.bundle, *options, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    handle = Handle(
        arm=arm, generation=generation, model=model, pid=process.pid, port=port, created=_created(process.pid)
    )
    return Server(handle=handle, url=f"http://{host}:{port}", server_id=server_id, process=process, log=log)


async def probe(server: Server, session: aiohttp.ClientSession) -> None:
    """Keeps `server.ready` true to its readiness probe while it runs."""
    while server.running:
        if await _says_ready(server, session):
            server.ready, server.misses = True, 0
        else:
            server.misses += 1
            server.ready = server.ready and server.misses < MOST_MISSES
        await asyncio.sleep(PROBE_SECONDS if server.ready else 0.1)
    server.ready = False


async def _says_ready(server: Server, session: aiohttp.ClientSession) -> bool:
    try:
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT if server.ready else FIRST_PROBE_TIMEOUT)
        async with session.get(f"{server.url}/readyz", timeout=timeout) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def stop(server: Server) -> None:
    """SIGTERM, then after `STOP_SECONDS` SIGKILL; returns when it is gone."""
    server.stopping = True
    try:
        if server.running:
            server.process.terminate()
        await asyncio.wait_for(server.process.wait(), STOP_SECONDS)
    except ProcessLookupError:
        pass
    except TimeoutError:
        server.process.kill()
        await server.process.wait()
    for task in server.tasks:
        task.cancel()


def kill_orphan(handle: Handle) -> bool:
    """Ends the very process that a dead supervisor recorded, if it is still there; never another with its id."""
    if abs(_created(handle.pid) - handle.created) > 1.0:
        return False
    try:
        os.kill(handle.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _created(pid: int) -> float:
    """When the process was made, to tell it from a later one with the same id; 0.0 when there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
