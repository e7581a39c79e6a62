"""The load, by oha on a core of its own: so many clients that wait for their answers, or requests at a constant rate.

At a constant rate a request's latency counts from when it was due, so what waits because the server is slow is seen
(no coordinated omission). Each request's body is drawn at random from a file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving_process import GENERATOR_CORE, HOST

OHA = "1.16.0"
CONNECTIONS = 64
# What a closed loop has under way when time is up is neither an answer nor an error.
_CUT_OFF = "aborted due to deadline"


@dataclass(frozen=True, kw_only=True)
class Load:
    """`clients` connections that are kept alive; `rate` in requests a second, None for a closed loop."""

    clients: int
    seconds: float
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Latencies are in milliseconds, `per_second` counts right answers; `busy` is the generator's share of its core."""

    per_second: float
    p50: float
    p99: float
    p999: float
    most: float
    answers: int
    errors: int
    busy: float
    cut_off: int


def install(home: Path) -> Path:
    """oha, built from crates.io the first time. Raises SystemExit without cargo."""
    program = home / f"oha-{OHA}" / "bin" / "oha"
    if not program.is_file():
        cargo = shutil.which("cargo")
        if cargo is None:
            raise SystemExit("the load generator oha is built by cargo: install Rust, https://rustup.rs")
        built = [cargo, "install", "--quiet", "--locked", f"oha@{OHA}"]
        subprocess.run([*built, "--root", str(program.parents[1])], check=True)
    return program


def put(oha: Path, load: Load, *, port: int, path: str, bodies: Path) -> Seen:
    """Sends the load and waits for its end. Raises RuntimeError with what oha says when it cannot."""
    command = [
        "taskset", "--cpu-list", str(GENERATOR_CORE), str(oha), "--no-tui", "--output-format", "json", "-m", "POST",
        "-T", "application/json", "-Z", str(bodies), "-c", str(load.clients), "-z", f"{load.seconds:g}s",
        "--worker-threads", "1", "--redirect", "0",
    ]  # fmt: skip
    if load.rate is not None:
        command += ["-q", f"{load.rate:g}", "--latency-correction"]
    process = subprocess.Popen(
        [*command, f"http://{HOST}:{port}{path}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said, complaint = process.stdout.read() if process.stdout else "", process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"oha ended with {process.returncode}: {complaint[-1000:]}")
    return seen(json.loads(said), busy=(used.ru_utime + used.ru_stime) / load.seconds)


def seen(told: Mapping[str, Any], *, busy: float) -> Seen:
    statuses = {int(code): count for code, count in told["statusCodeDistribution"].items()}
    failed = {reason: count for reason, count in told["errorDistribution"].items() if reason != _CUT_OFF}
    right = statuses.get(200, 0)
    latency = {name: 1000 * (value or 0.0) for name, value in told["latencyPercentiles"].items()}
    return Seen(
        per_second=right / told["summary"]["total"],
        p50=latency["p50"], p99=latency["p99"], p999=latency["p99.9"], most=1000 * (told["summary"]["slowest"] or 0.0),
        answers=right, errors=sum(statuses.values()) - right + sum(failed.values()), busy=busy,
        cut_off=told["errorDistribution"].get(_CUT_OFF, 0),
    )  # fmt: skip
