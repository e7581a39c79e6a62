"""Clients that vanish: a network namespace whose cable is pulled, so that no FIN and no RST ever arrives."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Of 198.18.0.0/15, which RFC 2544 keeps for benchmarks.
OUTSIDE, INSIDE = "198.18.77.1", "198.18.77.2"


class NoNetwork(RuntimeError):
    """No namespace can be made here; it says why. Everything else can be measured."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """`prefix` runs a command within; the server is reached from there as OUTSIDE."""

    prefix: list[str]

    def cut(self) -> None:
        _run(*self.prefix, "ip", "link", "set", "inside", "down")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A namespace and its cable, which end with it. Raises NoNetwork."""
    if os.geteuid() != 0:
        raise NoNetwork("a network namespace is made by root only")
    if missing := [name for name in ("ip", "nsenter", "unshare") if shutil.which(name) is None]:
        raise NoNetwork(f"a network namespace is made by {', '.join(missing)}, of iproute2 and util-linux")
    # It has no name: `ip netns add` mounts its folder anew, and hides what a cluster's pods have there.
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read wait"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)  # fmt: skip
    cable = f"hostile{os.getpid()}"
    try:
        assert holder.stdout is not None
        if not holder.stdout.readline():
            raise NoNetwork("unshare makes no network namespace here")
        prefix = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        _lay(holder.pid, cable, prefix)
        yield Network(prefix=prefix)
    finally:
        # What the server had not yet sent to those that vanished would be tried again for minutes.
        for command in (["ss", "-K", "dst", INSIDE], ["ip", "link", "del", cable]):
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(command, capture_output=True, check=False)
        holder.kill()
        holder.communicate()


def _lay(holder: int, cable: str, prefix: Sequence[str]) -> None:
    _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "inside", "netns", str(holder))
    _run("ip", "addr", "add", f"{OUTSIDE}/30", "dev", cable)
    _run("ip", "link", "set", cable, "up")
    _run(*prefix, "ip", "addr", "add", f"{INSIDE}/30", "dev", "inside")
    _run(*prefix, "ip", "link", "set", "inside", "up")


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NoNetwork(f"{' '.join(command)}: {ran.stderr.strip()}")
