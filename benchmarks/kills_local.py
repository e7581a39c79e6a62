"""Jobs on this machine as a subject: the try that submits, the wrapper and the driver are killed, each by itself.

The platform is the real one; what it starts are processes of their own (`kills_local_job.py`) that nothing has forked.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from kills_boundaries import arm, arm_processes
from kills_census import Census, census
from kills_jobs import be_careless, job_home, run_on
from kills_lineage import AfterInJob, At, InJob, Kill, Outcome, Unharmed
from kills_local_job import Plan
from kills_night import copied
from kills_template import Child, Template

from pressrun.compute import job, local
from pressrun.compute.connect import open_platform
from pressrun.compute.uploads import Upload, Uploads

PROGRAM = Path(__file__).resolve().with_name("kills_local_job.py")
PARTS = ("wrapper", "driver")


def attempt(*, home: str, told: str, at: int | None, plan: dict[str, Any], careless: str = "") -> None:
    """One try of a sample whose Spark job runs in a process of its own on this machine."""
    _use_program()
    armed = arm(at, Path(told))
    armed.around(Uploads, "put", "an upload")
    arm_processes(armed)
    given = Plan(**plan)
    given.hand_on()
    # A wrapper that was killed before it had noted itself is waited for in vain.
    vars(local)["_STARTS_WITHIN"] = 5.0
    environment = job_home(home, {"kind": "local", "process": "own"})
    there: Any = open_platform(environment)
    _tell_looks(there, given)
    if careless == "no token":
        be_careless(there)
    # Each look is written down, which is two boundaries more, and a new Python takes seconds.
    run_on(there, environment, poll_seconds=0.4)


def _use_program() -> None:
    """The armed program in place of the platform's own process and of the job's entry."""
    vars(job)["entry"] = lambda: Upload(stem="entry", suffix=".py", content=PROGRAM.read_bytes())
    start = subprocess.Popen.__init__

    def started(process: Any, command: Any, *given: Any, **named: Any) -> None:
        if command[1:3] == ["-m", local.__name__]:
            command = [command[0], str(PROGRAM), "wrapper", *command[3:]]
        start(process, command, *given, **named)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign, assignment]


def _tell_looks(platform: Any, plan: Plan) -> None:
    state = platform.state

    def looked(handle: Any) -> Any:
        plan.looked_at(handle.job_id).touch()
        return state(handle)

    platform.state = looked


class LocalSubject:
    """The sample's job on this machine."""

    name = "job on local"

    def __init__(self, *, template: Template, base: Path, careless: str = "") -> None:
        self.template, self.home, self.careless = template, base / "sample", careless
        self.expected: Census = Census()
        self.in_wrapper = 0

    def world(self, place: Path) -> LocalWorld:
        return LocalWorld(self, place)

    def unharmed(self, place: Path) -> Unharmed:
        world = self.world(place)
        start = time.perf_counter()
        if status := world.attempt(0, None).wait():
            raise RuntimeError(f"{self.name} failed ({status}) with nobody killing it: {world.log.read_text()[-3000:]}")
        seconds = time.perf_counter() - start
        self.expected = census(world.home)
        wrapper, driver = (world.passed_by(part) for part in PARTS)
        self.in_wrapper = len(wrapper)
        in_job = (*wrapper, *driver)
        made = Unharmed(boundaries=tuple(world.passed()), seconds=seconds, in_job=in_job, parts=PARTS)
        world.close()
        return made


class LocalWorld:
    """One lineage's home, and the processes of its jobs."""

    def __init__(self, subject: LocalSubject, place: Path) -> None:
        self._subject, self._place = subject, place.absolute()
        self.home, self._told, self.log = place / "home", place / "told", place / "log"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        copied(subject.home, self.home)
        # Jobs take longer than a worker takes to die and come back, or have ended by then.
        self._waits = bool(subject.careless) or random.Random(place.name).random() < 0.5
        self._struck: list[str] = []
        self._closed = threading.Event()

    def attempt(self, number: int, kill: Kill | None) -> Child:
        if isinstance(kill, AfterInJob):
            threading.Thread(target=self._strike, args=(kill,), daemon=True).start()
        at = kill.boundary if isinstance(kill, At) else None
        plan = {"place": str(self._place), "waits": self._waits, **self._in_job(kill)}
        given = {"home": str(self.home), "told": str(self._told), "at": at, "plan": plan}
        given["careless"] = self._subject.careless
        return self._subject.template.fork("kills_local:attempt", given, log=self.log)

    def _in_job(self, kill: Kill | None) -> dict[str, int]:
        """The wrapper's boundaries come first."""
        if not isinstance(kill, InJob):
            return {}
        of_driver = kill.boundary - self._subject.in_wrapper
        return {"wrapper": kill.boundary} if of_driver < 0 else {"driver": of_driver}

    def _strike(self, kill: AfterInJob) -> None:
        while not self._closed.wait(0.01):
            for process in self._alive(kill.part):
                self._closed.wait(kill.seconds)
                if self._killed(kill.part, process):
                    self._struck.append(f"from outside, at any moment, the job's {kill.part}")
                return

    def _alive(self, part: str) -> Iterator[psutil.Process]:
        for file in self._place.glob(f"{part}-*"):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(file.name.split("-")[1]))
                if self._mine(process):
                    yield process

    def _mine(self, process: psutil.Process) -> bool:
        try:
            plan = Plan.given(process.environ())
            return plan is not None and plan.place == str(self._place) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def _killed(self, part: str, process: psutil.Process) -> bool:
        """Whether it has died of that, with its work not done."""
        if not self._mine(process):
            return False
        _kill(process)
        return not Plan(place=str(self._place)).ended(part, process.pid).exists()

    def passed(self) -> list[str]:
        return _lines(self._told)

    def passed_by(self, part: str) -> list[str]:
        return [line for file in self._place.glob(f"{part}-*") for line in _lines(file)]

    def killed_in_job(self) -> list[str]:
        return [*self._struck, *(death for part in PARTS for death in self._deaths(part))]

    def _deaths(self, part: str) -> Iterator[str]:
        """Where processes were killed that were told a boundary: they have passed none beyond it."""
        for file in self._place.glob(f"{part}-*"):
            at, passed = file.name.split("-")[2], _lines(file)
            if at == str(len(passed) - 1):
                yield f"{passed[-1]}, by the job's {part}"

    def judge(self, outcome: Outcome) -> None:
        found, expected = census(self.home), self._subject.expected
        outcome.lost += sorted((expected - found).elements())
        outcome.doubled += sorted((found - expected).elements())
        outcome.started_twice += len(list(self._place.glob("twice-*")))

    def close(self) -> None:
        self._closed.set()
        for process in psutil.process_iter():
            if self._mine(process):
                _kill(process)
        shutil.rmtree(self._place, ignore_errors=True)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _kill(process: psutil.Process) -> None:
    """SIGKILL, and its end: who has started it may not have asked how it ended."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
