"""Seconds and memory of each stage as the night grows, near-duplicates beside datasketch, and a night through Airflow.

    python benchmarks/scale.py [--json] [--rows 10000 100000] [--no-loop] [--write docs]

For each number of simulated articles, with ten times as many impressions: ingest, near-duplicates, sample and score,
each in a process of its own, whose memory is watched with all its children. With `--write` what was measured is kept
in docs/benchmarks/scale.json beside what earlier runs measured at other sizes, and the page and picture are made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import psutil  # noqa: E402
from rich.console import Console  # noqa: E402
from scale_duplicates import (  # noqa: E402
    Compared,
    compare,
    datasketch_version,
    long_articles,
    recall_of_planted,
    short_articles,
    true_pairs,
)
from scale_page import show, write_page  # noqa: E402

STAGES = ("ingest", "near_duplicates", "sample", "sample_on_spark", "score")
MEGABYTE, WATCHED_EVERY = 1 << 20, 0.02
ROWS = (10_000, 100_000)
# Spark on a laptop is asked for what a laptop's night holds; a cluster is what more is for.
MOST_ON_SPARK = 100_000
COMPARED = 10_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One stage at one size: wall seconds, its own CPU seconds without a JVM's, and the most MB with children."""

    stage: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(stage: str, home: Path, rows: int, limit_mb: float) -> Measured:
    """Runs the stage in a process of its own. Raises MemoryError when it needs more than `limit_mb`."""
    command = [sys.executable, str(ROOT / "benchmarks" / "scale_stages.py"), stage, str(home), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        peak = watched(running, limit_mb)
        said = running.stdout.read() if running.stdout else ""
    if running.returncode:
        raise RuntimeError(f"{stage} at {rows:,} rows ended with {running.returncode}")
    told = json.loads(said.strip().splitlines()[-1])
    return Measured(stage=stage, rows=rows, seconds=told["seconds"], cpu_seconds=told["cpu"], peak_mb=peak)


def watched(running: subprocess.Popen[str], limit_mb: float) -> float:
    """The most resident memory of the process and its children at any look, until it has ended."""
    peak, process = 0.0, psutil.Process(running.pid)
    while running.poll() is None:
        peak = max(peak, resident(process))
        if peak > limit_mb:
            for one in [*process.children(recursive=True), process]:
                one.kill()
            raise MemoryError(f"{peak:,.0f} MB, {limit_mb:,.0f} MB are allowed (--limit-mb)")
        time.sleep(WATCHED_EVERY)
    return peak


def resident(process: psutil.Process) -> float:
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / MEGABYTE


def stages_at(rows: int, folder: Path, limit_mb: float, console: Console) -> list[Measured]:
    """Every stage at one size, in a home that is removed afterwards."""
    home = folder / str(rows)
    home.mkdir()
    found = []
    try:
        for stage in ("prepare", *STAGES):
            if stage == "sample_on_spark" and (rows > MOST_ON_SPARK or not java()):
                continue
            one = measure(stage, home, rows, limit_mb)
            console.print(f"{rows:>9,} {stage:<16} {one.seconds:8.1f} s {one.peak_mb:8,.0f} MB", highlight=False)
            found += [one] if stage != "prepare" else []
    finally:
        shutil.rmtree(home)
    return found


def java() -> bool:
    from pressrun.java import find_java

    return find_java() is not None


def duplicates(console: Console) -> dict[str, Any]:
    """Both kinds of article, each beside datasketch, and pairs that are as hard to find as any."""
    kinds = {"short": short_articles(COMPARED), "long": long_articles(COMPARED // 5)}
    compared: dict[str, list[Compared]] = {}
    for kind, texts in kinds.items():
        compared[kind] = compare(texts, true_pairs(texts))
        for one in compared[kind]:
            console.print(f"{kind}: {one.name} {one.median:.2f} s, recall {one.recall:.4f}", highlight=False)
    return {"compared": compared, "planted": recall_of_planted(2000, seed=5), "version": datasketch_version()}


def over_datasketch(compared: list[Compared], peer: str = "datasketch") -> float:
    """Median over repeats of datasketch's seconds over Pressrun's in the same repeat."""
    seconds = {one.name: one.seconds for one in compared}
    ratios = sorted(theirs / mine for theirs, mine in zip(seconds[peer], seconds["pressrun"], strict=True))
    return ratios[len(ratios) // 2]


def summary(stages: list[Measured], found: dict[str, Any], loop: dict[str, Any] | None) -> dict[str, Any]:
    """What the last line says."""
    named: dict[str, dict[str, float]] = {}
    for one in stages:
        named.setdefault(one.stage, {})[str(one.rows)] = round(one.seconds, 2)
    short = found["compared"]["short"]
    recalls = [*found["planted"].values(), *(c.recall for c in short if c.name == "pressrun")]
    return {
        "near_duplicates_over_datasketch": round(over_datasketch(short), 1),
        "near_duplicates_recall": round(min(recalls), 4),
        "nightly_loop_s": round(loop["seconds"], 1) if loop else None,
        "stages": named,
    }


def kept(file: Path, new: dict[str, Any]) -> dict[str, Any]:
    """What the file holds, with what is new in its place."""
    old = json.loads(file.read_text()) if file.is_file() else {"stages": []}
    mine = {(one["stage"], one["rows"]) for one in new["stages"]}
    stages = [one for one in old["stages"] if (one["stage"], one["rows"]) not in mine] + new["stages"]
    return old | {name: value for name, value in new.items() if value} | {"stages": stages}


def about() -> str:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    memory = psutil.virtual_memory().total / (1 << 30)
    commit = asked.stdout.strip() or "unknown"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {datetime.now(UTC):%Y-%m-%d}, commit {commit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS, help="articles a night")
    parser.add_argument("--limit-mb", type=float, default=4096, help="a stage that needs more is ended")
    parser.add_argument("--no-loop", action="store_true", help="without the night through Airflow")
    parser.add_argument("--write", type=Path, help="the folder docs, for the page and its picture")
    chosen = parser.parse_args()
    console, machine = Console(stderr=True), about()
    found = duplicates(console)
    with tempfile.TemporaryDirectory() as folder:
        stages = [one for rows in chosen.rows for one in stages_at(rows, Path(folder), chosen.limit_mb, console)]
    loop = None
    if not chosen.no_loop:
        from scale_loop import nightly_loop

        loop = nightly_loop(console)
    told = summary(stages, found, loop)
    new = {
        "stages": [asdict(one) | {"machine": machine} for one in stages],
        "compared": {kind: [asdict(one) for one in several] for kind, several in found["compared"].items()},
        "planted": found["planted"],
        "datasketch": found["version"],
        "loop": loop and loop | {"machine": machine},
        "summary": told,
    }
    show(Console(), new)
    if chosen.write:
        file = chosen.write / "benchmarks" / "scale.json"
        file.write_text(json.dumps(kept(file, new), indent=1) + "\n", encoding="utf-8")
        write_page(chosen.write, json.loads(file.read_text(encoding="utf-8")))
    if chosen.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
