"""A home with a real supervisor, real servers and real traffic for the tests of rollouts."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from pressrun.config.environment import Environment, Serving
from pressrun.config.pipeline import Budgets, Rollout
from pressrun.registry import ModelRef
from pressrun.rollout import RolloutPlan, RolloutRecord, status
from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm
from pressrun.serving.replay import Replayed, replay

HERE = Path(__file__).parent
LABELS = ["World", "Sports", "Business"]
ARTICLES = [{"article_id": f"a{n}", "title": f"{LABELS[n % 3]} news {n}", "body": "text"} for n in range(30)]
POLICY = Rollout(
    steps=[50, 100], min_requests=40, max_step=timedelta(seconds=60), bake=timedelta(seconds=1), shadow=0.5,
    budgets=Budgets(error_rate=0.05, latency_ratio=10),
)  # fmt: skip


def model_of(folder: Path, version: str) -> ModelRef:
    bundle = folder / f"bundle{version}"
    bundle.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": "topics", "labels": LABELS, "version": version})
    (bundle / "stub.json").write_text(text)
    digest = sha256(text.encode()).hexdigest()
    return ModelRef(name="topics", version=version, digest=digest, run_id=f"r{version}", bundle=str(bundle))


def plan_of(step_key: str, candidate: ModelRef, champion: ModelRef | None, policy: Rollout = POLICY) -> RolloutPlan:
    arms = (Arm(name=CHAMPION, model=champion),) if champion else ()
    return RolloutPlan(
        model="topics", pipeline="topics", step_key=step_key, policy=policy,
        arms=(*arms, Arm(name=CANDIDATE, model=candidate)),
    )  # fmt: skip


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def with_ports(environment: Environment) -> Environment:
    router, arms = free_ports(2)
    serving = Serving(router_port=router, arm_ports=(arms, min(arms + 20, 65535)))
    return environment.model_copy(update={"serving": serving})


@dataclass
class Home:
    """A supervisor that can be killed and started again, and readers that do not stop."""

    environment: Environment
    supervisors: list[subprocess.Popen[bytes]] = field(default_factory=list)
    replayed: Replayed = field(default_factory=Replayed)
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment.serving.router_port}"

    def supervise(self, *more: str) -> subprocess.Popen[bytes]:
        config = self.environment.home / "environment.json"
        config.write_text(self.environment.model_dump_json())
        with open(self.environment.home / "supervisor.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "tiny_supervisor.py"), str(config), *more], stdout=log, stderr=log
            )
        self.supervisors.append(process)
        return process

    def record(self) -> RolloutRecord | None:
        return status(self.environment, "topics")

    def until(self, holds: Callable[[RolloutRecord], object], seconds: float = 120.0) -> RolloutRecord:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            record = self.record()
            if record is not None and holds(record):
                return record
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {self.story()}")

    def story(self) -> str:
        record = self.record()
        lines = [f"{e.at:%H:%M:%S.%f} {e.generation} {e.kind}: {e.text}" for e in record.history] if record else []
        return "\n".join([*lines, (self.environment.home / "supervisor.log").read_text()[-3000:]])

    def read(self, rate: float = 40.0) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._replay(rate)), daemon=True)
        self._thread.start()

    async def _replay(self, rate: float) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await replay(self.url, "topics", ARTICLES, rate=rate, stop=self._stop, replayed=self.replayed)

    def get(self, path: str, accept: str = "application/json") -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, headers={"accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def close(self) -> None:
        if self._loop and self._stop and self._thread:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(15)
        for process in self.supervisors:
            if process.poll() is None:
                process.terminate()
        for process in self.supervisors:
            process.wait(20)
