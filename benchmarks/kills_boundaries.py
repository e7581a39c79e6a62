"""Where a process can die: before and after each thing that it writes durably or asks of a service."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Patch = Callable[[Any, str, str], None]


class Armed:
    """Counts the boundaries that the process passes, and kills it at number `at`; names go to `told`, a line each."""

    def __init__(self, *, at: int | None, told: Path) -> None:
        self._at, self._count, self._lock = at, 0, threading.Lock()
        self._told = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def boundary(self, name: str) -> None:
        with self._lock:
            os.write(self._told, f"{name}\n".encode())
            if self._count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            self._count += 1

    def around(self, owner: Any, name: str, kind: str) -> None:
        """Has `owner.name` pass a boundary before and one after."""
        real = getattr(owner, name)

        def watched(*given: Any, **named: Any) -> Any:
            self.boundary(f"before {kind}")
            made = real(*given, **named)
            self.boundary(f"after {kind}")
            return made

        setattr(owner, name, watched)


def arm(at: int | None, told: Path) -> Armed:
    """Arms this process: the lake, the operational database, MLflow, files, HTTP and gRPC."""
    armed = Armed(at=at, told=told)
    _lake(armed)
    _files(armed)
    _databases(armed)
    _mlflow(armed)
    _wires(armed)
    return armed


def arm_wrapper(at: int | None, told: Path) -> Armed:
    """Arms the process of a job on this machine that starts the driver and writes down how it ended."""
    from filelock import FileLock

    armed = Armed(at=at, told=told)
    armed.around(FileLock, "acquire", "the job's lock is taken")
    _files(armed)
    arm_processes(armed)
    return armed


def arm_driver(at: int | None, told: Path) -> Armed:
    """Arms a driver in a process that has imported no more than it needs."""
    armed = Armed(at=at, told=told)
    _lake(armed)
    _files(armed)
    return armed


def arm_processes(armed: Armed) -> None:
    """Processes that it starts, and those that it kills."""
    import subprocess

    import psutil

    armed.around(subprocess.Popen, "__init__", "a process is started")
    armed.around(psutil.Process, "kill", "a process is killed")


def _lake(armed: Armed) -> None:
    from deltalake import DeltaTable

    from pressrun.lake import delta

    armed.around(delta, "write_file", "a data file")
    armed.around(delta, "adopt", "a data file")
    armed.around(DeltaTable, "create_write_transaction", "a commit to the lake")
    armed.around(DeltaTable, "create", "a table's creation")


def _files(armed: Armed) -> None:
    armed.around(os, "fsync", "a file's fsync")
    armed.around(os, "replace", "a file's renaming")
    armed.around(os, "rename", "a file's renaming")


def _databases(armed: Armed) -> None:
    """Commits that change something; those of readers are no boundary."""
    from sqlalchemy import Connection

    real, known = Connection._commit_impl, dict[Any, int]()

    def watched(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        changes = getattr(driver, "total_changes", -1)
        if changes == known.get(driver, 0):
            return real(connection)
        known[driver] = changes
        kind = "MLflow" if "mlflow" in str(connection.engine.url.database) else "the database"
        armed.boundary(f"before a commit to {kind}")
        real(connection)
        return armed.boundary(f"after a commit to {kind}")

    Connection._commit_impl = watched  # type: ignore[method-assign]


def _mlflow(armed: Armed) -> None:
    """What MLflow keeps in files; its rows are commits."""
    from mlflow import MlflowClient

    for name in ("log_artifact", "log_artifacts", "log_dict", "log_figure", "log_text"):
        armed.around(MlflowClient, name, "MLflow's files")


def _wires(armed: Armed) -> None:
    """A request is past its first boundary when nothing was sent, past its second when the service has obeyed."""
    import botocore.httpsession
    import grpc._channel as channel
    import httpx
    from kubernetes.client.rest import RESTClientObject

    armed.around(RESTClientObject, "request", "a request to the platform")
    armed.around(botocore.httpsession.URLLib3Session, "send", "a request to the platform")
    for name in ("__call__", "with_call"):
        armed.around(channel._UnaryUnaryMultiCallable, name, "a request to the platform")
    real = httpx.AsyncHTTPTransport.handle_async_request

    async def watched(transport: Any, request: Any) -> Any:
        armed.boundary("before a request to the labeling service")
        made = await real(transport, request)
        armed.boundary("after a request to the labeling service")
        return made

    httpx.AsyncHTTPTransport.handle_async_request = watched  # type: ignore[method-assign]
