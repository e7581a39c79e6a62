"""What must hold before the demo starts, each with its remedy when it does not."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil

NEEDED_DISK_GB = 2.0


class PreflightError(RuntimeError):
    """Something on this machine stands in the way. The message says what, and what to do; a retry alone won't help."""


def check_ports(*, ports: Mapping[str, int], host: str = "127.0.0.1") -> None:
    """Raises PreflightError naming every port that is taken, by whom where that can be seen, and the option for it."""
    taken = [f"port {port} ({name}) is in use{_holder(port)}" for name, port in ports.items() if _listening(host, port)]
    if taken:
        options = " ".join(f"--{name}-port N" for name, port in ports.items() if _listening(host, port))
        raise PreflightError(
            f'{"; ".join(taken)}. Stop what listens there, or choose another: make demo ARGS="{options}"'
        )


def check_disk(*, home: Path, needed_gb: float = NEEDED_DISK_GB) -> None:
    """Raises PreflightError when the disk below `home` has less than `needed_gb` free."""
    existing = next(p for p in (home, *home.parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < needed_gb:
        raise PreflightError(
            f"{existing} has {free_gb:.1f} GB free, the demo needs {needed_gb:.0f}. "
            "Free some room, or set PRESSRUN_HOME to a folder on another disk."
        )


def _listening(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
                and connection.pid
            ):
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return ""
    return ""
