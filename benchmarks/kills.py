"""Real SIGKILLs at every boundary of every stage and job: what is lost, doubled or started twice afterwards.

    python benchmarks/kills.py [--json] [--kills 1000] [--seed 5] [--write docs/benchmarks]

Each lineage starts from a copy of the same home, dies where it is told, and is retried until it ends; then all that it
left is compared, row by row, with a run that nobody killed. Airflow's stock operators are killed and retried at the
same moment, between the service's acceptance of a job and the worker's note of it, against the same services.
"""

from __future__ import annotations

import argparse
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import kills_stock  # noqa: E402
from kills_jobs import job_subjects  # noqa: E402
from kills_lineage import Kill, Outcome, Planner, Subject, Tally, run  # noqa: E402
from kills_local import LocalSubject  # noqa: E402
from kills_night import MODULES  # noqa: E402
from kills_page import show, write_page  # noqa: E402
from kills_rollout import RolloutSubject  # noqa: E402
from kills_stages import labeling_service, subjects  # noqa: E402
from kills_stock import Stock  # noqa: E402
from kills_template import Template  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

AT_ONCE = 2


class Bench:
    """Lineages of all subjects, two at a time, until there were enough kills."""

    def __init__(self, found: Sequence[Subject], folder: Path, *, seed: int, bar: Progress) -> None:
        self._subjects, self._folder, self._bar = {one.name: one for one in found}, folder, bar
        self._seed, self._lock, self._number = seed, threading.Lock(), 0
        self.tally = Tally()

    def run(self, kills: int) -> None:
        task = self._bar.add_task("unharmed runs", total=len(self._subjects))
        unharmed = {}
        for name, subject in self._subjects.items():
            unharmed[name] = subject.unharmed(self._folder / "unharmed")
            self._bar.advance(task)
        self._task = self._bar.add_task("kills", total=kills)
        planned = self._planned(Planner(unharmed, seed=self._seed), kills)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: self._work(planned), range(AT_ONCE)))

    def _planned(self, planner: Planner, kills: int) -> Iterator[tuple[str, list[Kill]]]:
        for one in planner.every():
            yield one
        for one in planner.further():
            if self.tally.kills >= kills:
                return
            yield one

    def _work(self, planned: Iterator[tuple[str, list[Kill]]]) -> None:
        while True:
            with self._lock:
                one = next(planned, None)
                self._number += 1
                place = self._folder / f"lineage-{self._number}"
            if one is None:
                return
            outcome = run(self._subjects[one[0]], one[1], place)
            self.tally.add(outcome)
            self._bar.update(self._task, completed=self.tally.kills)
            if outcome.wrong:
                self._tell(outcome, one[1])

    def _tell(self, outcome: Outcome, kills: Sequence[Kill]) -> None:
        told = [*outcome.lost[:3], *outcome.doubled[:3], outcome.stuck]
        self._bar.console.print(f"WRONG: {outcome.subject}, {kills}: {outcome.kills}", *told, sep="\n  ", markup=False)


def commit() -> str:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--kills", type=int, default=1000, help="at least so many; every boundary comes first")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="subjects by their names")
    parser.add_argument("--stock", type=int, default=10, help="deaths of each stock operator")
    parser.add_argument("--write", type=Path, help="a folder for the page")
    chosen = parser.parse_args()
    console, start = Console(stderr=True), time.perf_counter()
    # Clients that die in the middle of a request are what this is about.
    socketserver.BaseServer.handle_error = lambda *given: None
    with tempfile.TemporaryDirectory(prefix="pressrun-kills-") as folder:
        tally = measure(Path(folder), chosen, console)
        stock = beside(Path(folder), chosen.stock, console)
    found = {**tally.summary(), "stock_started_twice": sum(one.started_twice for one in stock)}
    seconds = time.perf_counter() - start
    show(Console(), tally, stock, found)
    if chosen.write:
        about = f"{os.cpu_count()} cores, {seconds / 60:.0f} minutes. Commit {commit()}. Seed {chosen.seed}."
        write_page(chosen.write, tally, stock, found, about=about)
    if chosen.json:
        print(json.dumps(found))


def measure(folder: Path, chosen: argparse.Namespace, console: Console) -> Tally:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Template(MODULES) as template, labeling_service() as service, Progress(*columns, console=console) as bar:
        if template.fork("kills_night:prepare", {"folder": str(folder / "base")}, log=folder / "log").wait(900):
            raise RuntimeError(f"the nights to kill in could not be made: {(folder / 'log').read_text()[-3000:]}")
        found: list[Subject] = [
            *subjects(template, folder / "base", service=service),
            *job_subjects(template, folder / "base"),
            LocalSubject(template=template, base=folder / "base"),
            RolloutSubject(template=template, base=folder / "base"),
        ]
        wanted = [one for one in found if not chosen.only or one.name in chosen.only]
        bench = Bench(wanted, folder, seed=chosen.seed, bar=bar)
        bench.run(chosen.kills)
    return bench.tally


def beside(folder: Path, times: int, console: Console) -> list[Stock]:
    """The stock operators, each killed so many times once its job was accepted, and retried."""
    home = folder / "airflow"
    home.mkdir()
    with Template(kills_stock.MODULES, kills_stock.env(home)) as template:
        console.print(f"stock operators: {times} deaths of each")
        return [kills_stock.measure(template, name, times=times, folder=home) for name in kills_stock.OPERATORS]


if __name__ == "__main__":
    main()
