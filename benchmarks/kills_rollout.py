"""The rollout as a subject: a try that submits and waits, a real supervisor beside it; either of them is killed."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from kills_boundaries import arm
from kills_census import Census, census
from kills_lineage import At, InJob, Kill, Outcome, Unharmed
from kills_night import DAG, SECOND, copied, night_pipeline
from kills_template import Child, Template

from pressrun.config.environment import Environment, Serving
from pressrun.loop import run_stage
from pressrun.rollout.api import status
from pressrun.rollout.processes import kill_orphan
from pressrun.rollout.supervisor import supervise
from pressrun.taste import tasting_environment

SERVER = Path(__file__).resolve().with_name("kills_server.py")


def attempt(*, home: str, ports: list[int], told: str, at: int | None) -> None:
    """One try of the rollout: submits, waits for the supervisor, concludes."""
    arm(at, Path(told))
    vars(sys.modules["pressrun.loop"]).update(POLL_SECONDS=0.05)
    environment = served_at(Path(home), ports)
    run_stage("rollout", pipeline=night_pipeline(), environment=environment, dag_id=DAG, run_id=SECOND)


def supervised(*, home: str, ports: list[int], told: str, at: int | None) -> None:
    """The supervisor, with servers that start at once."""
    arm(at, Path(told))
    supervise(served_at(Path(home), ports), command=(sys.executable, str(SERVER)))


def served_at(home: Path, ports: list[int]) -> Environment:
    router, arms = ports
    serving = Serving(router_port=router, arm_ports=(arms, arms + 9))
    return tasting_environment(home).model_copy(update={"serving": serving})


class RolloutSubject:
    """The first rollout of a home, which promotes the night's model."""

    name = "rollout"

    def __init__(self, *, template: Template, base: Path) -> None:
        self.template, self.home = template, base / "drift"
        self.expected: Census = Census()

    def world(self, place: Path) -> RolloutWorld:
        return RolloutWorld(self, place)

    def unharmed(self, place: Path) -> Unharmed:
        world = self.world(place)
        start = time.perf_counter()
        if status := world.attempt(0, None).wait():
            raise RuntimeError(f"the rollout failed ({status}) with nobody killing it: {world.log.read_text()[-3000:]}")
        seconds = time.perf_counter() - start
        self.expected = world.found()
        made = Unharmed(boundaries=tuple(world.passed()), seconds=seconds, in_job=tuple(world.supervisor_passed()))
        world.close()
        return made


class RolloutWorld:
    """One lineage's home, and its supervisor, which is started again whenever it has died."""

    def __init__(self, subject: RolloutSubject, place: Path) -> None:
        self._subject, self._place = subject, place
        self.home, self.log = place / "home", place / "log"
        self._told, self._supervisor_told = place / "told", place / "told-supervisor"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        copied(subject.home, self.home)
        self._ports, self._closed = _free_ports(), threading.Event()
        self._supervisor: Child | None = None
        self._deaths: list[str] = []
        self._keeping: threading.Thread | None = None

    def attempt(self, number: int, kill: Kill | None) -> Child:
        if self._keeping is None:
            at = kill.boundary if isinstance(kill, InJob) else None
            self._keeping = threading.Thread(target=self._keep, args=(at,), daemon=True)
            self._keeping.start()
        at = kill.boundary if isinstance(kill, At) else None
        return self._fork("attempt", self._told, at)

    def _keep(self, at: int | None) -> None:
        while not self._closed.is_set():
            self._supervisor = self._fork("supervised", self._supervisor_told, at)
            if self._supervisor.wait() == -signal.SIGKILL and not self._closed.is_set():
                self._deaths.append(f"{self.supervisor_passed()[-1]}, by the supervisor")
            at = None

    def _fork(self, name: str, told: Path, at: int | None) -> Child:
        given = {"home": str(self.home), "ports": self._ports, "told": str(told), "at": at}
        return self._subject.template.fork(f"kills_rollout:{name}", given, log=self.log)

    def passed(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []

    def supervisor_passed(self) -> list[str]:
        return self._supervisor_told.read_text().splitlines() if self._supervisor_told.exists() else []

    def killed_in_job(self) -> list[str]:
        return list(self._deaths)

    def found(self) -> Census:
        """The census, and what the record says of rollouts: how many, how each ended, what is served."""
        record = status(served_at(self.home, self._ports), "topics")
        assert record is not None
        told = [f"rollout: {one.generation} {one.phase.value}" for one in record.outcomes]
        told.append(f"rollouts: {record.generations}, served: {record.champion and record.champion.version}")
        return census(self.home) + Census(told)

    def judge(self, outcome: Outcome) -> None:
        found, expected = self.found(), self._subject.expected
        outcome.lost += sorted((expected - found).elements())
        outcome.doubled += sorted((found - expected).elements())

    def close(self) -> None:
        self._closed.set()
        if self._supervisor is not None:
            # A supervisor that is asked to end takes its servers with it.
            self._supervisor.end()
        if self._keeping is not None:
            self._keeping.join(60)
        record = status(served_at(self.home, self._ports), "topics")
        for handle in record.handles if record else ():
            kill_orphan(handle)
        shutil.rmtree(self._place, ignore_errors=True)


def _free_ports() -> list[int]:
    """One for the router, and the first of ten for arms."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], min(other.getsockname()[1], 65_000)]
