"""What hostile clients do to healthy ones, beside mosec and a plain FastAPI.

    python benchmarks/serving_hostile.py [--json] [--quick] [--only idle_kept] [--peers pressrun] [--write docs]

The LightGBM of serving.py behind each server on core 0. Healthy clients ask at a constant rate, a share of what the
server answers at the most, first alone and then beside one disturbance: 10,000 idle connections, clients that send a
byte a second or never read, connections that vanish, bodies that have to be refused. Each pair has a server of its own.
All clients share core 1. What is measured is kept in --results: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import psutil  # noqa: E402
import serving_load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from serving import CACHE, MOST_OTHERS, about, entries, wrong  # noqa: E402
from serving_entries import Entry  # noqa: E402
from serving_hostile_kinds import DISTURBANCES, IDLE, Disturbance, Order, body_of  # noqa: E402
from serving_hostile_network import INSIDE, OUTSIDE, Network, NoNetwork, network  # noqa: E402
from serving_hostile_page import show, summary, write_page  # noqa: E402
from serving_hostile_process import Hostile  # noqa: E402
from serving_load import Load, Seen  # noqa: E402
from serving_process import (  # noqa: E402
    GENERATOR_CORE,
    HOST,
    Server,
    ServerFailed,
    busy_seconds,
    free_ports,
    running,
)
from serving_results import Results  # noqa: E402

PEERS = ("pressrun", "mosec", "fastapi")
KIND = "gbdt"
# The largest answer to a GET that each has, smaller than what a client could ask of its model.
LARGE = {"pressrun": "/docs", "mosec": "/metrics", "fastapi": "/openapi.json"}
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- what vanishes comes from a network of its own
# A server that does less than this share of a second's work has nothing left of what its new clients asked at first.
_QUIET, _LOOK_EVERY, _SETTLE_SECONDS = 0.1, 0.5, 20.0
# Beside the connections, files that a process has open.
_MORE_FILES = 500


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """`seconds` alone and as many beside; `share` is the healthy rate's of the peak, found in `peak_seconds`."""

    repeats: int = 5
    seconds: float = 8.0
    warm_up: float = 2.0
    peak_seconds: float = 4.0
    share: float = 0.4
    clients: int = 16


QUICK = Sizes(repeats=1, seconds=3.0, warm_up=1.0, peak_seconds=2.0)


class Bench:
    """All servers and disturbances in turn, repeat after repeat."""

    def __init__(
        self, entries: Sequence[Entry], chosen: Sequence[Disturbance], sizes: Sizes, results: Results, *, oha: Path,
        home: Path,
    ) -> None:  # fmt: skip
        self._entries, self._chosen, self._sizes, self._results = entries, chosen, sizes, results
        self._oha, self._logs, self._console = oha, home / "logs", Console(stderr=True)
        self._logs.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        todo = list(self._todo())
        with Progress(console=self._console, transient=True) as progress:
            bar = progress.add_task("", total=len(todo))
            for repeat, entry, disturbance in todo:
                told = f"{repeat + 1}/{self._sizes.repeats} {entry.peer.name} {disturbance.name}"
                progress.update(bar, description=told)
                self._pair(entry, disturbance, repeat)
                progress.advance(bar)

    def _todo(self) -> Iterator[tuple[int, Entry, Disturbance]]:
        """Servers take turns at each disturbance, and each repeat begins with another one."""
        for repeat in range(self._sizes.repeats):
            turn = repeat % max(1, len(self._entries))
            for disturbance in self._chosen:
                for entry in [*self._entries[turn:], *self._entries[:turn]]:
                    key = {"peer": entry.peer.name, "disturbance": disturbance.name, "repeat": repeat}
                    if self._results.find(**key) is None:
                        yield repeat, entry, disturbance

    def _pair(self, entry: Entry, disturbance: Disturbance, repeat: int) -> None:
        key = {"peer": entry.peer.name, "disturbance": disturbance.name, "repeat": repeat}
        try:
            with contextlib.ExitStack() as stack:
                cable = stack.enter_context(network()) if disturbance.does == "vanishing" else None
                server = stack.enter_context(self._started(entry, everywhere=cable is not None))
                found = self._measured(entry, server, disturbance, repeat, cable)
            self._results.add(point="pair", **key, **found)
            self._console.print(_line(key, found), highlight=False, markup=False, soft_wrap=True)
        except NoNetwork as error:
            self._results.add(point="skipped", **key, reason=str(error))
            self._console.print(f"{disturbance.title} is skipped: {error}", style="yellow", markup=False)
        except (ServerFailed, RuntimeError, OSError, ValueError, http.client.HTTPException) as error:
            self._results.add(point="failed", **key, reason=str(error)[:2000])
            self._console.print(f"{' '.join(map(str, key.values()))} failed: {error}", style="red", markup=False)

    @contextlib.contextmanager
    def _started(self, entry: Entry, *, everywhere: bool) -> Iterator[Server]:
        ports = free_ports(3)
        command = [EVERYWHERE if everywhere and part == HOST else part for part in entry.command(ports)]
        with running(
            command, entry.variables(ports), port=ports[0], log=self._logs / f"hostile-{entry.peer.name}.log",
            is_right=lambda: wrong(entry, ports[0], 1) == 0,
        ) as server:  # fmt: skip
            yield server

    def _measured(
        self, entry: Entry, server: Server, disturbance: Disturbance, repeat: int, cable: Network | None
    ) -> dict[str, Any]:
        """Alone, then beside. Raises ServerFailed when a right request is not answered rightly any more."""
        self._put(entry, server, Load(clients=16, seconds=self._sizes.warm_up))
        rate = self._rate(entry, server, repeat)
        alone, others_alone = self._point(entry, server, rate)
        memory = server.memory_mb()
        with self._disturbed(entry, server, disturbance, cable) as (hostile, most):
            began, grown = hostile.told["open"], most - memory
            beside, others = self._point(entry, server, rate, hostile=hostile)
            held = _held(server.port) if cable else hostile.told["open"]
        if not beside.answers:
            raise ServerFailed(f"{held:,} connections, and no healthy client had an answer")
        if wrong(entry, server.port, 1):
            raise ServerFailed(f"answers wrongly after {disturbance.title}")
        answered = round(beside.per_second / max(alone.per_second, 1e-9), 4)
        return {
            "rate": rate, "alone": asdict(alone), "beside": asdict(beside), "answered": answered,
            "grown_mb": round(grown, 2),
            "began": began, "held": held, "hostile": hostile.told, "others": round(max(others_alone, others), 3),
        }  # fmt: skip

    @contextlib.contextmanager
    def _disturbed(
        self, entry: Entry, server: Server, disturbance: Disturbance, cable: Network | None
    ) -> Iterator[tuple[Hostile, float]]:
        """The hostile clients, set up, and the most memory in MB that the server had meanwhile."""
        order = order_of(entry, disturbance, host=OUTSIDE if cable else HOST, port=server.port)
        hostile = Hostile(order, self._logs / "hostile-clients.log", cable.prefix if cable else ())
        try:
            most = _settle(server)
            if cable:
                cable.cut()
                hostile.kill()
            yield hostile, most
        finally:
            hostile.kill()

    def _rate(self, entry: Entry, server: Server, repeat: int) -> float:
        """The share of the peak that each repeat finds once, so that all its pairs have the same rate."""
        key = {"point": "peak", "peer": entry.peer.name, "repeat": repeat}
        found = self._results.find(**key)
        if found is None:
            load = Load(clients=self._sizes.clients, seconds=self._sizes.peak_seconds)
            found = self._results.add(**key, per_second=self._put(entry, server, load).per_second)
        return max(1.0, round(self._sizes.share * float(found["per_second"]), 1))

    def _point(
        self, entry: Entry, server: Server, rate: float, *, hostile: Hostile | None = None
    ) -> tuple[Seen, float]:
        """What healthy clients saw, and the share of both cores that went to others."""
        seconds = self._sizes.seconds
        before, all_before = server.cpu_seconds(), busy_seconds()
        found = self._put(entry, server, Load(clients=serving_load.CONNECTIONS, seconds=seconds, rate=rate))
        ours = server.cpu_seconds() - before + found.busy * seconds
        both = busy_seconds() - all_before
        if hostile is not None:
            ours += float(hostile.end().get("busy", 0.0)) * seconds
        return found, max(0.0, both - ours) / (2 * seconds)

    def _put(self, entry: Entry, server: Server, load: Load) -> Seen:
        return serving_load.put(self._oha, load, port=server.port, path=entry.wire.path, bodies=entry.bodies)


def order_of(entry: Entry, disturbance: Disturbance, *, host: str, port: int) -> Order:
    row = entry.task.inputs[0]
    right = entry.wire.body(row)
    body = body_of(disturbance.name, entry.wire.body, row).decode("latin-1") if disturbance.does == "bodies" else right
    return Order(
        does=disturbance.does, host=host, port=port, path=entry.wire.path, body=body, large=LARGE[entry.peer.name],
        count=disturbance.count, per_second=disturbance.per_second,
    )  # fmt: skip


def _settle(server: Server) -> float:
    """The most memory, in MB, while what the hostile clients asked at first is done; some keep a server busy longer."""
    most, end = server.memory_mb(), time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < end:
        before = server.cpu_seconds()
        time.sleep(_LOOK_EVERY)
        most = max(most, server.memory_mb())
        if server.cpu_seconds() - before < _QUIET * _LOOK_EVERY:
            break
    return most


def _held(port: int) -> int:
    """Connections of those that vanished which the server still has."""
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port and one.raddr.ip == INSIDE
        for one in psutil.net_connections("tcp4")
    )


def _line(key: dict[str, Any], found: dict[str, Any]) -> str:
    alone, beside, hostile = found["alone"], found["beside"], found["hostile"]
    statuses = " ".join(f"{status}:{count}" for status, count in sorted(hostile.get("statuses", {}).items()))
    errors = f"  {beside['errors']} ERRORS" if beside["errors"] else ""
    others = f"   OTHERS HAD {found['others']:.0%}" if found["others"] > MOST_OTHERS else ""
    return (
        f"{key['peer']:<9} {key['disturbance']:<14} {found['rate']:7,.0f}/s   p50 {alone['p50']:6.2f} to"
        f" {beside['p50']:6.2f}   p99 {alone['p99']:6.2f} to {beside['p99']:7.2f} ms"
        f" ({beside['p99'] / alone['p99']:.2f})   {found['grown_mb']:+.1f} MB   generator {beside['busy']:.0%}"
        f" + {hostile.get('busy', 0):.0%}   held {found['held']}   {statuses}{errors}{others}"
    )


def enough_files() -> None:
    """Raises SystemExit where so many connections cannot be open. Servers and clients inherit it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= most < IDLE + _MORE_FILES:
        raise SystemExit(f"{IDLE + _MORE_FILES} open files are needed, the hard limit is {most}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="one repeat of short points")
    names = [one.name for one in DISTURBANCES]
    parser.add_argument("--only", default=",".join(names), help=f"of {', '.join(names)}, separated by commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="servers, separated by commas")
    parser.add_argument("--seconds", type=float, help="alone, and as many beside")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--share", type=float, help="of the peak, at which healthy clients ask")
    parser.add_argument("--results", type=Path, default=ROOT / ".pressrun" / "serving_hostile.jsonl")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--cache", type=Path, default=CACHE, help="the folder of environments, models and tools")
    parser.add_argument("--write", type=Path, help="the folder docs, for the page")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    # So that networks are taken down and servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes = QUICK if chosen.quick else Sizes()
    given = {n: value for n in ("seconds", "repeats", "share") if (value := getattr(chosen, n)) is not None}
    sizes = replace(sizes, **given)
    enough_files()
    ready = entries(chosen.peers.split(","), [KIND], None, chosen.cache)
    oha = serving_load.install(chosen.cache)
    results = Results(chosen.results, asdict(sizes), fresh=chosen.fresh)
    wanted = [one for one in DISTURBANCES if one.name in chosen.only.split(",")]
    os.sched_setaffinity(0, {GENERATOR_CORE})
    Bench(ready, wanted, sizes, results, oha=oha, home=chosen.cache).run()
    told = summary(results.records)
    show(Console(width=None if sys.stdout.isatty() else 160), results.records)
    if chosen.write:
        write_page(chosen.write, results.records, told, about=about(), sizes=asdict(sizes))
    if chosen.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
