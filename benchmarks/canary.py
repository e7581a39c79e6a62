"""How often a canary alarms falsely, and how soon it finds a bad candidate, beside the field's judges.

    python benchmarks/canary.py [--json] [--quick] [--write docs/benchmarks]

1,000 requests a second, a tenth of them to the candidate, in windows of a second; errors and latencies of both arms
move together. A/A: 20,000 canaries for each traffic and base error rate, looked at after each of 240 windows; Pressrun
is as shipped, with margins of zero. Then a regression from the first window on, for half an hour at most. Pressrun's
side is pressrun.stats.sequential, what the rollout itself runs. Peers stand twice: as documented, and with each
metric's limit moved so that it alarms falsely as often as Pressrun's in the same setting.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from canary_judges import (  # noqa: E402
    EFFECT_LATENCY,
    LIMIT,
    Looks,
    Msprt,
    Ours,
    argo,
    flagger,
    kayenta,
    minutes,
)
from canary_page import show, write_page  # noqa: E402
from canary_traffic import BASE_RATES, SHARE, TRAFFICS, Floats, Setting, Traffic  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.console import Console  # noqa: E402

from pressrun.stats import clopper_pearson_interval  # noqa: E402

METRICS = ("errors", "latency")
OURS, TUNED, DEFAULT = "pressrun", "msprt_tuned", "msprt_default"
HORIZON = 1800


@dataclass(frozen=True, kw_only=True)
class Sizes:
    canaries: int = 20_000
    windows: int = 240
    detected: int = 400
    minute_canaries: int = 2000


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """False alarms of one judge in one setting; `lower` is the one-sided 99.9% Clopper-Pearson bound."""

    judge: str
    traffic: str
    base: float
    rate: float
    lower: float
    canaries: int


@dataclass(frozen=True, kw_only=True)
class Detection:
    """`samples` of the candidate to the alarm, mean restricted to half an hour; `missed` is the share not found."""

    judge: str
    calibrated: bool
    traffic: str
    base: float
    effect: str
    samples: float
    missed: float


def sequential(n: int, base: float) -> dict[str, Ours | Msprt]:
    return {OURS: Ours(n), TUNED: Msprt(n, (base, EFFECT_LATENCY)), DEFAULT: Msprt(n, None)}


def greatest(setting: Setting, metric: str, sizes: Sizes, seed: int) -> dict[str, Floats]:
    """The greatest statistic of each sequential judge at any look, for each canary."""
    traffic = Traffic(setting, sizes.canaries, seed, latency=metric == "latency")
    judges = sequential(sizes.canaries, setting.base)
    most = {name: np.full(sizes.canaries, -np.inf) for name in judges}
    for _ in range(sizes.windows):
        seen = traffic.next()
        for name, judge in judges.items():
            most[name] = np.maximum(most[name], getattr(judge, metric)(seen))
    return most


def alarms_of(judge: str, setting: Setting, alarmed: NDArray[np.bool_]) -> Alarm:
    found = clopper_pearson_interval(int(alarmed.sum()), len(alarmed), 0.002)
    return Alarm(
        judge=judge, traffic=setting.traffic, base=setting.base, rate=found.estimate, lower=found.low,
        canaries=len(alarmed),
    )  # fmt: skip


def moved_limit(values: Floats, rate: float) -> float:
    """The limit that a share `rate` of the values is above."""
    return float(np.quantile(values, 1 - max(rate, 1 / len(values))))


class Bench:
    """All settings, one after the other; what is found is kept in `alarms` and `detections`."""

    def __init__(self, sizes: Sizes, console: Console) -> None:
        self.sizes, self._console = sizes, console
        self.alarms: list[Alarm] = []
        self.detections: list[Detection] = []

    def run(self) -> None:
        for place, traffic in enumerate(TRAFFICS):
            latency = greatest(Setting(traffic=traffic, base=0.01), "latency", self.sizes, 10 + place)
            for number, base in enumerate(BASE_RATES):
                start = time.perf_counter()
                self._setting(Setting(traffic=traffic, base=base), latency, 100 + 10 * place + number)
                self._console.print(f"{traffic}, {base:.1%}: {time.perf_counter() - start:.0f} s")

    def _setting(self, setting: Setting, latency: dict[str, Floats], seed: int) -> None:
        most = {"errors": greatest(setting, "errors", self.sizes, seed), "latency": latency}
        for judge in (OURS, TUNED, DEFAULT):
            alarmed = np.any([most[metric][judge] >= LIMIT for metric in METRICS], axis=0)
            self.alarms.append(alarms_of(judge, setting, alarmed))
        rates = {metric: float((most[metric][OURS] >= LIMIT).mean()) for metric in METRICS}
        limits = {
            judge: {metric: moved_limit(most[metric][judge], rates[metric]) for metric in METRICS}
            for judge in (TUNED, DEFAULT)
        }
        for effect, bad in effects(setting):
            metric = "latency" if bad.slower > 1 else "errors"
            self.sequentials(effect, bad, metric, {judge: limits[judge][metric] for judge in limits}, seed + 1000)
        self._minutes(setting, rates, seed + 2000)

    def sequentials(self, effect: str, bad: Setting, metric: str, limits: dict[str, float], seed: int) -> None:
        n = self.sizes.detected
        traffic, judges = Traffic(bad, n, seed, latency=metric == "latency"), sequential(n, bad.base)
        wanted = {(judge, False): LIMIT for judge in judges} | {(judge, True): limit for judge, limit in limits.items()}
        samples, found = np.zeros(HORIZON + 1), {key: np.zeros(n, dtype=int) for key in wanted}
        for number in range(1, HORIZON + 1):
            seen = traffic.next()
            samples[number:] = samples[number - 1] + seen.ours
            values = {name: getattr(judge, metric)(seen) for name, judge in judges.items()}
            for (judge, calibrated), limit in wanted.items():
                at = found[judge, calibrated]
                at[(at == 0) & (values[judge] >= limit)] = number
            if all((at > 0).all() for at in found.values()):
                break
        for (judge, calibrated), at in found.items():
            taken = np.where(at > 0, samples[at], SHARE * bad.requests * HORIZON)
            self._found(judge, calibrated, bad, effect, taken, at > 0)

    def _minutes(self, setting: Setting, rates: dict[str, float], seed: int) -> None:
        equal = minutes(setting, self.sizes.minute_canaries, seed)
        for name, judge in (("flagger", flagger), ("argo", argo), ("kayenta", kayenta)):
            looks = judge(equal)
            self.alarms.append(alarms_of(name, setting, np.any([v > limit for _, _, v, limit in looks], axis=0)))
            limits = {m: moved_limit(_most(looks, m), rates[m]) for m in METRICS if any(m == one[0] for one in looks)}
            for effect, bad in effects(setting):
                shown = judge(minutes(bad, self.sizes.detected, seed + 1))
                for calibrated in (False, True):
                    at = _first(shown, limits if calibrated else None)
                    taken = np.where(np.isfinite(at), at, HORIZON) * SHARE * bad.requests
                    self._found(name, calibrated, bad, effect, taken, np.isfinite(at))

    def _found(
        self, judge: str, calibrated: bool, bad: Setting, effect: str, taken: Floats, found: NDArray[np.bool_]
    ) -> None:
        self.detections.append(
            Detection(
                judge=judge, calibrated=calibrated, traffic=bad.traffic, base=bad.base, effect=effect,
                samples=float(taken.mean()), missed=float(1 - found.mean()),
            )
        )  # fmt: skip


def effects(setting: Setting) -> list[tuple[str, Setting]]:
    """The regressions; latency and a crash do not depend on the base rate of errors."""
    doubled = [("errors doubled", replace(setting, errors=2.0))]
    if setting.base != 0.01:
        return doubled
    return [*doubled, ("latency +20%", replace(setting, slower=1.2)), ("crash", replace(setting, crash=True))]


def _most(looks: Looks, metric: str) -> Floats:
    return np.asarray(np.max([values for name, _, values, _ in looks if name == metric], axis=0))


def _first(looks: Looks, limits: dict[str, float] | None) -> Floats:
    """Seconds to the first look that alarms, infinite without one."""
    at = [np.where(v > (limits[m] if limits else limit), seconds, np.inf) for m, seconds, v, limit in looks]
    return np.asarray(np.min(at, axis=0))


def stirred(console: Console) -> list[Alarm]:
    """Beyond what is promised: each arm has a moment's state of its own, as with sticky readers or a slow node."""
    found = []
    for traffic in TRAFFICS[1:3]:
        setting = Setting(traffic=traffic, base=0.01, own=True)
        most = greatest(setting, "errors", Sizes(canaries=2000), 77)
        found += [alarms_of(judge, setting, values >= LIMIT) for judge, values in most.items()]
    console.print("arms that move apart: done")
    return found


def smaller(sizes: Sizes) -> list[Detection]:
    """The same regressions at 40 requests a second, 4 of them the candidate's."""
    bench = Bench(sizes, Console(stderr=True))
    for number, base in enumerate(BASE_RATES):
        for effect, bad in effects(Setting(traffic="independent", base=base, requests=40)):
            bench.sequentials(effect, bad, "latency" if bad.slower > 1 else "errors", {}, 3000 + number)
    return bench.detections


def ratio(detections: Sequence[Detection], peer: str, *, calibrated: bool, only: Iterable[str]) -> list[float]:
    """Pressrun's samples over the peer's in each setting, where the peer finds nearly all."""
    ours = {(d.traffic, d.base, d.effect): d for d in detections if d.judge == OURS}
    return [
        ours[d.traffic, d.base, d.effect].samples / d.samples
        for d in detections
        if d.judge == peer and d.calibrated is calibrated and d.missed < 0.5 and d.effect in only
    ]


def summary(alarms: Sequence[Alarm], detections: Sequence[Detection]) -> dict[str, object]:
    """The worst of each traffic's base rates; geometric means of ratios, and the worst of them."""
    ours = [alarm for alarm in alarms if alarm.judge == OURS]
    noticed = ("errors doubled", "latency +20%")
    tuned = ratio(detections, TUNED, calibrated=True, only=noticed)
    default = ratio(detections, DEFAULT, calibrated=False, only=noticed)
    moved = ratio(detections, DEFAULT, calibrated=True, only=noticed)
    flaggers = ratio(detections, "flagger", calibrated=False, only=(*noticed, "crash"))
    return {
        "false_alarm_rate": {t: max(a.rate for a in ours if a.traffic == t) for t in TRAFFICS},
        "false_alarm_lower": {t: max(a.lower for a in ours if a.traffic == t) for t in TRAFFICS},
        "samples_over_tuned_msprt": _mean(tuned), "samples_over_default_msprt": _mean(default),
        "requests_over_flagger": _mean(flaggers), "samples_over_calibrated_default_msprt": _mean(moved),
        "worst": {
            "tuned_msprt": max(tuned), "default_msprt": max(default), "flagger": max(flaggers),
            "calibrated_default_msprt": max(moved),
        },
    }  # fmt: skip


def _mean(ratios: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def commit() -> str:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the canaries")
    parser.add_argument("--write", type=Path, help="a folder for the page")
    chosen = parser.parse_args()
    console, start = Console(stderr=True), time.process_time()
    sizes = Sizes(canaries=1000, windows=120, detected=100, minute_canaries=500) if chosen.quick else Sizes()
    bench = Bench(sizes, console)
    bench.run()
    apart, found, small = stirred(console), summary(bench.alarms, bench.detections), smaller(sizes)
    seconds = time.process_time() - start
    show(Console(), bench.alarms, bench.detections, apart, found, small)
    if chosen.write:
        about = f"{os.cpu_count()} cores, one of them used, for {seconds:.0f} s of its time. Commit {commit()}."
        write_page(chosen.write, bench.alarms, bench.detections, apart, found, small, about=about, sizes=asdict(sizes))
    if chosen.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
