"""Clients that vanish: a network namespace whose cable is pulled, so that no FIN and no RST ever arrives."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

# Of 198.18.0.0/15, which RFC 2544 keeps for benchmarks.
OUTSIDE, INSIDE = "198.18.77.1", "198.18.77.2"


class NoNetwork(RuntimeError):
    """No namespace can be made here; it says why. Everything else can be measured."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """`prefix` runs a command within; the server is reached from there as OUTSIDE."""

    name: str

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        _ip("-n", self.name, "link", "set", "inside", "down")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A namespace and its cable, taken down at the end. Raises NoNetwork."""
    if os.geteuid() != 0:
        raise NoNetwork("a network namespace is made by root only")
    if shutil.which("ip") is None:
        raise NoNetwork("a network namespace is made by ip, of the package iproute2")
    name, cable = f"pressrun-hostile-{os.getpid()}", f"hostile{os.getpid()}"
    try:
        _lay(name, cable)
        yield Network(name=name)
    finally:
        # What the server had not yet sent to those that vanished would be tried again for minutes.
        cleanup = (["ss", "-K", "dst", INSIDE], ["ip", "link", "del", cable], ["ip", "netns", "del", name])
        for command in cleanup:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(command, capture_output=True, check=False)


def _lay(name: str, cable: str) -> None:
    _ip("netns", "add", name)
    _ip("link", "add", cable, "type", "veth", "peer", "name", "inside", "netns", name)
    _ip("addr", "add", f"{OUTSIDE}/30", "dev", cable)
    _ip("link", "set", cable, "up")
    _ip("-n", name, "addr", "add", f"{INSIDE}/30", "dev", "inside")
    _ip("-n", name, "link", "set", "inside", "up")


def _ip(*arguments: str) -> None:
    ran = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NoNetwork(f"ip {' '.join(arguments)}: {ran.stderr.strip()}")
