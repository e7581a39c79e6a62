"""How fast models are served, beside MLflow's server, BentoML, MLServer, mosec and a plain FastAPI.

    python benchmarks/serving.py [--json] [--quick] [--only gbdt] [--peers pressrun,mosec] [--write docs]

The same models behind every server: a LightGBM, a text classifier, MiniLM. Closed loops of 1, 16 and 64 clients, then
constant rates as shares of the server's own peak, where waiting counts. The server has core 0, the load generator
core 1. Servers take turns, five times. What is measured is kept in --results: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import serving_load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from serving_entries import Entry, installed, made_ready  # noqa: E402
from serving_load import CONNECTIONS, Load, Seen  # noqa: E402
from serving_models import KINDS, read_articles, task_of  # noqa: E402
from serving_page import show, write_page  # noqa: E402
from serving_process import (  # noqa: E402
    GENERATOR_CORE,
    Server,
    ServerFailed,
    ask,
    busy_seconds,
    free_ports,
    running,
)
from serving_results import Results, summary  # noqa: E402
from serving_servers import ALL, OURS  # noqa: E402
from serving_transformer import cost_of_int8  # noqa: E402

CLIENTS = (1, 16, 64)
SHARES = (0.2, 0.4, 0.6, 0.8, 0.95)
# What answers slowly is watched for longer.
LONGER = {"transformer": 2.0}
# Of both cores' time; more, and the machine was not the benchmark's own.
MOST_OTHERS = 0.1
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pressrun-benchmarks"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """`seconds` for each point, after `warm_up` seconds under load."""

    repeats: int = 5
    seconds: float = 8.0
    warm_up: float = 3.0
    clients: tuple[int, ...] = CLIENTS
    shares: tuple[float, ...] = SHARES


QUICK = Sizes(repeats=1, seconds=2.0, warm_up=1.0, shares=(0.4, 0.8))


class Bench:
    """All servers in turn, repeat after repeat."""

    def __init__(self, entries: Sequence[Entry], sizes: Sizes, results: Results, *, oha: Path, home: Path) -> None:
        self._entries, self._sizes, self._results, self._oha, self._home = entries, sizes, results, oha, home
        self._console = Console(stderr=True)

    def run(self) -> None:
        sessions = list(self._sessions())
        with Progress(console=self._console, transient=True) as progress:
            bar = progress.add_task("", total=len(sessions))
            for repeat, entry in sessions:
                progress.update(bar, description=f"{repeat + 1}/{self._sizes.repeats} {' '.join(entry.key.values())}")
                self._session(entry, repeat)
                progress.advance(bar)

    def _sessions(self) -> Iterator[tuple[int, Entry]]:
        """Each repeat begins with another server, so that none always follows the same one."""
        for repeat in range(self._sizes.repeats):
            turn = repeat % max(1, len(self._entries))
            for entry in [*self._entries[turn:], *self._entries[:turn]]:
                if any(self._results.find(**entry.key, repeat=repeat, **point) is None for point in self._points()):
                    yield repeat, entry

    def _points(self) -> Iterator[dict[str, Any]]:
        for clients in self._sizes.clients:
            yield {"point": "closed", "clients": clients}
        for share in self._sizes.shares:
            yield {"point": "open", "share": share}

    def _session(self, entry: Entry, repeat: int) -> None:
        ports = free_ports(3)
        log = self._home / "logs" / f"{'-'.join(entry.key.values())}.log"
        key = {**entry.key, "repeat": repeat}
        try:
            with running(
                entry.command(ports), entry.variables(ports), port=ports[0], log=log,
                is_right=lambda: wrong(entry, ports[0], 1) == 0,
            ) as server:  # fmt: skip
                self._measure(entry, server, key)
        except (ServerFailed, RuntimeError, OSError, ValueError) as error:
            self._results.add(point="failed", **key, reason=str(error)[:2000])
            self._console.print(f"{entry.peer.name} {entry.task.kind} failed: {error}", style="red", markup=False)

    def _measure(self, entry: Entry, server: Server, key: dict[str, Any]) -> None:
        wrongly = wrong(entry, server.port, len(entry.task.answers))
        if wrongly:
            raise ServerFailed(f"{wrongly} of {len(entry.task.answers)} answers are wrong")
        idle = server.memory_mb()
        self._results.add(point="start", **key, cold_start=server.cold_start, memory_mb=idle)
        self._put(entry, server, Load(clients=16, seconds=self._sizes.warm_up))
        for point in self._points():
            if self._results.find(**key, **point) is None:
                self._point(entry, server, key, point)

    def _point(self, entry: Entry, server: Server, key: dict[str, Any], point: dict[str, Any]) -> None:
        seconds = self._sizes.seconds * LONGER.get(entry.task.kind, 1.0)
        load = Load(clients=point.get("clients", CONNECTIONS), seconds=seconds)
        if "share" in point:
            load = replace(load, rate=max(1.0, round(point["share"] * self._peak(key), 1)))
        before, all_before = server.cpu_seconds(), busy_seconds()
        found = self._put(entry, server, load)
        cpu, both = server.cpu_seconds() - before, busy_seconds() - all_before
        others = max(0.0, both - cpu - found.busy * load.seconds) / (2 * load.seconds)
        more = {"rate": load.rate, "cpu_us": 1e6 * cpu / max(1, found.answers), "memory_mb": server.memory_mb()}
        self._results.add(**key, **point, **asdict(found), **more, others=round(others, 3))
        line = _line(entry, load, found) + (f"   OTHERS HAD {others:.0%}" if others > MOST_OTHERS else "")
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _peak(self, key: dict[str, Any]) -> float:
        closed = [self._results.find(**key, point="closed", clients=clients) for clients in self._sizes.clients]
        return float(max(one["per_second"] for one in closed if one))

    def _put(self, entry: Entry, server: Server, load: Load) -> Seen:
        return serving_load.put(self._oha, load, port=server.port, path=entry.wire.path, bodies=entry.bodies)


def wrong(entry: Entry, port: int, count: int) -> int:
    """How many of the first `count` requests, sixteen at a time, are answered wrongly.

    A model in fewer bits (Pressrun's transformer) must name the same class, which it may miss once in twenty.
    """
    wire, task = entry.wire, entry.task
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: ask(port, wire.path, wire.body(one)), task.inputs[:count]))
    scores = np.stack([wire.scores(answer) for answer in answers])
    if task.kind == "transformer" and entry.peer.name == OURS:
        other = int((scores.argmax(axis=1) != task.answers[:count].argmax(axis=1)).sum())
        return max(0, other - count // 20)
    return int((np.abs(scores - task.answers[:count]).max(axis=1) > task.tolerance).sum())


def _line(entry: Entry, load: Load, found: Seen) -> str:
    how = f"{load.clients} clients" if load.rate is None else f"{load.rate:,.0f} a second"
    errors = f"  {found.errors} ERRORS" if found.errors else ""
    return (
        f"{entry.task.kind:<11} {entry.peer.name:<9} {how:<16} {found.per_second:9,.0f}/s   p50 {found.p50:8.2f}"
        f"   p99 {found.p99:8.2f}   p99.9 {found.p999:8.2f} ms   generator {found.busy:.0%}{errors}"
    )


def entries(peers: Sequence[str], kinds: Sequence[str], articles: Path | None, home: Path) -> list[Entry]:
    """Everything made ready: environments, models, bodies. What cannot be is told and left out."""
    console, found = Console(stderr=True), list[Entry]()
    read = read_articles(articles)
    for kind in kinds:
        task = task_of(kind, home / "models", read, torch=lambda: torch_python(home))
        for name in peers:
            console.print(f"{kind}: {name} is made ready", style="dim", markup=False)
            try:
                found.append(made_ready(ALL[name], task, home))
            except (OSError, subprocess.CalledProcessError, NotImplementedError) as error:
                console.print(f"{name} is left out with {kind}: {error}", style="red", markup=False)
    return found


def torch_python(home: Path) -> Path:
    return installed(ALL["fastapi"], "transformer", home) / "python"


def about() -> dict[str, str]:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    memory = psutil.virtual_memory().total / (1 << 30)
    return {
        "machine": f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": asked.stdout.strip() or "unknown",
    }  # fmt: skip


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="one repeat of short points")
    parser.add_argument("--only", default=",".join(KINDS), help="models, separated by commas")
    parser.add_argument("--peers", default=",".join(ALL), help="servers, separated by commas")
    parser.add_argument("--articles", type=Path, help="a CSV of topic's code, title, body instead of simulated ones")
    parser.add_argument("--seconds", type=float, help="for each point")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--results", type=Path, default=ROOT / ".pressrun" / "serving.jsonl")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--cache", type=Path, default=CACHE, help="the folder of environments, models and tools")
    parser.add_argument("--write", type=Path, help="the folder docs, for the page and its picture")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    sizes = QUICK if chosen.quick else Sizes()
    given = {name: value for name in ("seconds", "repeats") if (value := getattr(chosen, name)) is not None}
    sizes, home = replace(sizes, **given), chosen.cache
    ready = entries(chosen.peers.split(","), chosen.only.split(","), chosen.articles, home)
    oha = serving_load.install(home)
    results = Results(chosen.results, asdict(sizes), fresh=chosen.fresh)
    if any(entry.key == {"model": "transformer", "peer": OURS} for entry in ready) and not results.find(point="int8"):
        results.add(
            point="int8", **cost_of_int8(next(one.task.folder for one in ready if one.task.kind == "transformer"))
        )
    os.sched_setaffinity(0, {GENERATOR_CORE})
    Bench(ready, sizes, results, oha=oha, home=home).run()
    told = summary(results.records)
    show(Console(width=None if sys.stdout.isatty() else 140), results.records)
    if chosen.write:
        write_page(chosen.write, results.records, told, about=about(), sizes=asdict(sizes))
    if chosen.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
