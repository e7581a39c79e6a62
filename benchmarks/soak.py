"""Half an hour at half load with a swap a minute: no request fails and memory stays where it was.

    python benchmarks/soak.py [--json] [--minutes 30] [--every 60] [--write docs]

Two versions of a text model take each other's place in one server, whose log of predictions is on. The load is half of
what the server answered in a closed loop just before, at a constant rate. Memory is the proportional set size, taken
once a second; flat means that the last quarter's median is within a tenth of the second quarter's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import serving_load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from serving import CACHE  # noqa: E402
from serving_load import Load, Seen  # noqa: E402
from serving_models import read_articles, task_of  # noqa: E402
from serving_process import Server, ask, free_ports, running  # noqa: E402

from pressrun.bundle import load_bundle, write_bundle  # noqa: E402
from pressrun.serving.hosting import Placed  # noqa: E402
from pressrun.serving.swapping import write_models  # noqa: E402

PATH = "/v2/models/text/infer"
FLAT = 0.10
_MOST_SEGMENTS = 8


@dataclass(frozen=True, kw_only=True)
class Soaked:
    """`memory_mb` once a second; `growth` is the last quarter's median over the second's, less one."""

    minutes: float
    rate: float
    answers: int
    failed: int
    swaps: int
    p50: float
    p99: float
    most: float
    growth: float
    memory_mb: list[float]

    @property
    def held(self) -> bool:
        return self.failed == 0 and self.growth <= FLAT


def two_versions(home: Path, folder: Path) -> tuple[Placed, Placed, Sequence[str]]:
    """The same model twice, its second version a little surer; and what it is asked, as v2 requests."""
    import serving_bundles

    task = task_of("text", home, read_articles(None), torch=lambda: Path())
    serving_bundles.write(task, folder / "text-1")
    first = load_bundle(folder / "text-1")
    second = write_bundle(
        folder / "text-2", name="text", labels=first.labels, steps=first.steps, model=first.model, slope=2.5
    )
    placed = [
        Placed(bundle=folder / f"text-{n}", model="text", version=str(n), digest=one.digest)
        for n, one in enumerate((first, second), 1)
    ]
    asked = [f'{{"inputs":[{{"name":"text","datatype":"BYTES","shape":[1],"data":[{text}]}}]}}' for text in task.inputs]
    return placed[0], placed[1], asked


class Soak:
    """One server, its load, its swaps and its memory."""

    def __init__(self, folder: Path, *, minutes: float, every: float) -> None:
        self._folder, self._minutes, self._every = folder, minutes, every
        self._first, self._second, asked = two_versions(CACHE / "models", folder)
        self._oha = serving_load.install(CACHE)
        self._file, self._bodies = folder / "models.json", folder / "bodies.jsonl"
        self._bodies.write_text("\n".join(asked) + "\n", encoding="utf-8")
        self._one = asked[0]
        self._memory: list[float] = []
        self._swaps = 0

    def run(self) -> Soaked:
        """Raises ServerFailed when the server does not start."""
        write_models(self._file, (self._first,))
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "pressrun.serving", "--models", str(self._file), "--port", str(port),
                   "--spool", str(self._folder / "spool")]  # fmt: skip
        with running(
            command, {}, port=port, log=self._folder / "server.log", is_right=lambda: self._version(port) == "1"
        ) as server:
            peak = self._put(port, Load(clients=64, seconds=10)).per_second
            return self._soaked(server, rate=round(peak / 2, 1))

    def _soaked(self, server: Server, *, rate: float) -> Soaked:
        done = threading.Event()
        beside = threading.Thread(target=self._beside, args=(server, done))
        beside.start()
        try:
            seen = self._put(server.port, Load(clients=64, seconds=60 * self._minutes, rate=rate))
        finally:
            done.set()
            beside.join()
        quarter = max(1, len(self._memory) // 4)
        early, late = self._memory[quarter : 2 * quarter] or self._memory, self._memory[-quarter:]
        growth = statistics.median(late) / statistics.median(early) - 1
        return Soaked(
            minutes=self._minutes, rate=rate, answers=seen.answers, failed=seen.errors, swaps=self._swaps, p50=seen.p50,
            p99=seen.p99, most=seen.most, growth=growth, memory_mb=[round(one, 1) for one in self._memory],
        )  # fmt: skip

    def _put(self, port: int, load: Load) -> Seen:
        return serving_load.put(self._oha, load, port=port, path=PATH, bodies=self._bodies)

    def _beside(self, server: Server, done: threading.Event) -> None:
        """Swaps when it is time, weighs the server each second, and does the shipper's part: closed segments go."""
        due, began = time.monotonic() + self._every, time.monotonic()
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("soaking", total=60 * self._minutes)
            while not done.wait(1.0):
                self._memory.append(server.memory_mb())
                progress.update(bar, completed=time.monotonic() - began)
                closed = sorted((self._folder / "spool").glob("*.jsonl"))
                for segment in closed[:-_MOST_SEGMENTS]:
                    segment.unlink()
                if time.monotonic() >= due:
                    due += self._every
                    self._swap(server)

    def _swap(self, server: Server) -> None:
        wanted = self._second if self._swaps % 2 == 0 else self._first
        write_models(self._file, (wanted,))
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self._version(server.port) == wanted.version:
                self._swaps += 1
                return
            time.sleep(0.2)
        Console(stderr=True).print(f"version {wanted.version} did not come within 30 s", style="red")

    def _version(self, port: int) -> str:
        return str(ask(port, PATH, self._one)["model_version"])


def page(soaked: Soaked) -> str:
    memory = soaked.memory_mb
    return f"""# Soak

`make soak`: {soaked.minutes:g} minutes at {soaked.rate:.0f} requests a second, half of what the server had answered in
a closed loop of 64 clients just before. Server and load generator had a core each; the log of predictions was on.

| answers | failed | swaps | p50 | p99 | slowest | memory at first, at last, at most | growth |
|---|---|---|---|---|---|---|---|
| {soaked.answers:,} | {soaked.failed} | {soaked.swaps} | {soaked.p50:.2f} ms | {soaked.p99:.2f} ms \
| {soaked.most:.0f} ms | {memory[0]:.0f}, {memory[-1]:.0f}, {max(memory):.0f} MB | {soaked.growth:+.1%} |

Growth is the median of the last quarter's memory over the second quarter's; the bound is {FLAT:.0%}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds from swap to swap")
    parser.add_argument("--write", type=Path, help="the folder docs/, for docs/benchmarks/soak.md")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pressrun-soak-"))
    try:
        soaked = Soak(folder, minutes=given.minutes, every=given.every).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(page(soaked))
    if given.write:
        (given.write / "benchmarks" / "soak.md").write_text(page(soaked), encoding="utf-8")
    if given.json:
        print(json.dumps(asdict(soaked) | {"held": soaked.held}))
    sys.exit(0 if soaked.held else 1)


if __name__ == "__main__":
    main()
