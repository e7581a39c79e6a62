"""The processes of a job on this machine, armed: the one that the platform starts, the wrapper, and the driver.

`kills_local_job.py wrapper FOLDER` does what `python -m pressrun.compute.local FOLDER` does. As a job's entry it does
what entry.py does with the same arguments, with DuckDB in Spark's place and this Pressrun in that of the job's zip.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PLAN = "PRESSRUN_KILLS"
_MOST_WAIT = 300.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where a lineage's processes leave word, where the next of each kind dies, whether drivers wait for a look."""

    place: str
    wrapper: int | None = None
    driver: int | None = None
    waits: bool = False

    @classmethod
    def given(cls, environment: Mapping[str, str] = os.environ) -> Plan | None:
        """The plan that a process was started with."""
        return cls(**json.loads(environment[_PLAN])) if _PLAN in environment else None

    def hand_on(self) -> None:
        """Gives it to what this process will start; what that leaves in temporary folders goes with the lineage."""
        os.environ.update({_PLAN: json.dumps(asdict(self)), "TMPDIR": self.place})

    def told(self, part: str, at: int | None) -> Path:
        """Where this process tells its boundaries."""
        return Path(self.place, f"{part}-{os.getpid()}-{at}")

    def looked_at(self, token: str) -> Path:
        return Path(self.place, f"looked-at-{token}")

    def ended(self, part: str, pid: int) -> Path:
        return Path(self.place, f"ended-{part}-{pid}")


def wrapper(plan: Plan, folder: Path) -> None:
    from kills_boundaries import arm_wrapper

    arm_wrapper(plan.wrapper, plan.told("wrapper", plan.wrapper))
    from pressrun.compute.local import run_job

    run_job(folder)
    plan.ended("wrapper", os.getpid()).touch()


def driver(plan: Plan, order: str) -> int:
    """The driver, in the folder of the job's files."""
    told, folder = plan.told("driver", plan.driver), Path.cwd().parent
    told.touch()
    _note_start(plan, folder)
    from kills_boundaries import arm_driver

    arm_driver(plan.driver, told)
    from pressrun import driver as real

    end = time.monotonic() + _MOST_WAIT
    while plan.waits and not plan.looked_at(folder.name).exists():
        if time.monotonic() > end:
            raise SystemExit("nobody looked at this job: whoever was to is gone")
        time.sleep(0.01)
    read = real._order
    vars(real)["_order"] = lambda file, variable: _on_duckdb(read(file, variable))
    sys.argv = ["pressrun.driver", order]
    status = real.main()
    plan.ended("driver", os.getpid()).touch()
    return status


def _on_duckdb(order: Any) -> Any:
    order.environment["spark"]["engine"] = "duckdb"
    return order


def _note_start(plan: Plan, folder: Path) -> None:
    """A driver starts twice where the same job had one, or where another job's goes on or was noted as a success."""
    import psutil
    from filelock import FileLock

    known, place = Path(plan.place, "drivers"), Path(plan.place)
    with FileLock(place / "drivers.lock"):
        before = [json.loads(line) for line in known.read_text().splitlines()] if known.exists() else []
        for token, pid, created in before:
            if token == folder.name or _runs(pid, created) or _went_well(folder.parent / token):
                (place / f"twice-{os.getpid()}-{pid}").touch()
        with known.open("a") as lines:
            lines.write(json.dumps([folder.name, os.getpid(), psutil.Process().create_time()]) + "\n")


def _runs(pid: int, created: float) -> bool:
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return bool(process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _went_well(folder: Path) -> bool:
    ended = folder / "exit.json"
    return ended.exists() and bool(json.loads(ended.read_text())["status"] == 0)


def main() -> int:
    plan = Plan.given()
    assert plan is not None
    if sys.argv[1] == "wrapper":
        wrapper(plan, Path(sys.argv[2]))
        return 0
    return driver(plan, sys.argv[3])


if __name__ == "__main__":
    sys.exit(main())
