"""The demo without Airflow: its config, articles, mishaps, supervisor and readers, in a folder that can be copied.

The settings are the demo's own, but for those that only make it last longer: see `hurried`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import yaml

from operators.base import StageOperator
from operators.errors import VerdictStopped
from pressrun import alerts
from pressrun.config.environment import Environment
from pressrun.config.load import load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.demo.mishap import readable_articles
from pressrun.demo.neighbour import NoisyNeighbour
from pressrun.demo.overlay import MODEL, write_demo_config
from pressrun.demo.run import READERS_PER_SECOND
from pressrun.demo.services import Service, Services, answers
from pressrun.demo.stock import simulated_stock
from pressrun.demo.story import SAMPLE_ROWS
from pressrun.demo.traffic import Traffic
from pressrun.lake import StageResult, StepKey
from pressrun.loop import run_stage
from pressrun.registry import ModelRef
from pressrun.rollout import Phase, RolloutRecord, served, status
from pressrun.step import Step, open_lake
from pressrun.taste import tasting_environment
from tests.rollout.home import with_ports

# Two thirds of the demo's articles: enough for every gate of the story to tell.
STOCK = simulated_stock(articles_per_night=600)
T = TypeVar("T")
RETRAIN, DRIFT = f"{MODEL}_retrain", f"{MODEL}_drift"
STAGES = ("ingest", "sample", "label", "train", "gate")


def hurried(pipeline: Pipeline) -> Pipeline:
    """The demo's pipeline with one family of models to choose from instead of two, and a bake that is soon over.

    No verdict of the story turns on either: the bake's checks need the same requests however short it is.
    """
    train = pipeline.train.model_copy(update={"families": ["svm"]})
    rollout = pipeline.rollout.model_copy(update={"bake": timedelta(seconds=1)})
    return pipeline.model_copy(update={"train": train, "rollout": rollout})


@dataclass(frozen=True, kw_only=True)
class Home:
    """A demo's folder. `home`, `environment` and `pipeline` are what the mishaps need of a `Stack`."""

    home: Path
    environment: Environment
    pipeline: Pipeline

    @classmethod
    def begun(cls, folder: Path) -> Home:
        """An empty home with the demo's config."""
        write_demo_config(folder=folder / "config", read=STOCK.read)
        return cls.opened(folder)

    @classmethod
    def opened(cls, folder: Path) -> Home:
        pipeline = hurried(load_pipeline(folder / "config" / "pipelines" / f"{MODEL}.yaml"))
        environment = with_ports(tasting_environment(folder))
        return cls(home=folder, environment=environment, pipeline=pipeline)

    def copied(self, folder: Path) -> Home:
        """A home that goes on from here by itself. MLflow's files stay where they are: its database names them."""
        without = shutil.ignore_patterns("mlflow-artifacts", "models")
        shutil.copytree(self.home, folder, ignore=without)
        # A model's files are never written again, so links will do.
        shutil.copytree(self.home / "models", folder / "models", copy_function=os.link)
        return self.opened(folder)

    def but(self, section: str, **values: object) -> Home:
        """The same home under another policy."""
        changed = getattr(self.pipeline, section).model_copy(update=values)
        return replace(self, pipeline=self.pipeline.model_copy(update={section: changed}))

    @property
    def file(self) -> Path:
        return self.home / "config" / "pipelines" / f"{MODEL}.yaml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment.serving.router_port}"

    @property
    def champion(self) -> ModelRef | None:
        return served(self.environment, MODEL)

    def serves(self) -> list[str]:
        """The versions that the router says it serves."""
        described = httpx.get(f"{self.url}/v2/models/{MODEL}", timeout=10)
        return [str(version) for version in described.json()["versions"]]

    def land(self, night: int) -> None:
        STOCK.land(night, landing=Path(self.environment.landing) / MODEL)

    def night(self, night: int, *, until: str = "gate") -> dict[str, StageResult]:
        """Runs the stages of a night up to `until`; its articles must have landed."""
        return {name: self.stage(name, night) for name in STAGES[: STAGES.index(until) + 1]}

    def stage(self, name: str, night: int) -> StageResult:
        sized = self.but("sample", rows=SAMPLE_ROWS[night])
        return run_stage(
            name, pipeline=sized.pipeline, environment=self.environment, dag_id=RETRAIN, run_id=f"night-{night}"
        )

    def step(self, key: StepKey) -> Step:
        return Step(key=key, pipeline=self.pipeline, environment=self.environment, lake=open_lake(self.environment))

    def conclude(self, operator: type[StageOperator], result: StageResult) -> str | None:
        """Ends the stage's task as Airflow's task would: the last line of one that is stopped, None when it goes on."""
        dag_id, run_id, task_id, _ = result.step_key.split("/")
        task = operator(task_id=task_id, pipeline=str(self.file), upstream={name: {} for name in operator.needs})
        try:
            task.conclude(result, self.step(StepKey(dag_id=dag_id, run_id=run_id, task_id=task_id)), {})
        except VerdictStopped as stopped:
            return str(stopped)
        return None

    def alerts(self) -> dict[str, str]:
        """The first message of each thread in the outbox: what it says now."""
        return {thread.thread: thread.text for thread, _ in alerts.threads(self.environment, MODEL)}

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Within it the router listens and the champion, where there is one, serves: real processes."""
        services = Services(home=self.home)
        service = Service(name="router", command=self._supervise(), ready=answers(f"{self.url}/healthz"))
        services.start(service)
        try:
            services.wait(service)
            if self.champion:
                until(lambda: httpx.get(f"{self.url}/v2/models/{MODEL}/ready", timeout=5).status_code == 200)
            yield
        finally:
            services.stop()

    def _supervise(self) -> list[str]:
        file = self.home / "config" / "environments" / "here.yaml"
        file.write_text(yaml.safe_dump(self.environment.model_dump(mode="json")))
        return [sys.executable, "-m", "pressrun.cli", "supervise", "--environment", str(file)]

    @contextmanager
    def readers(self, *, times: int = 2) -> Iterator[Traffic]:
        """Within it the demo's readers ask for what was ingested, `times` as often: they have soon asked enough."""
        traffic = Traffic(router_url=self.url, model=MODEL, rate=times * READERS_PER_SECOND)
        try:
            traffic.offer(readable_articles(self))  # type: ignore[arg-type]
            yield traffic
        finally:
            traffic.stop()

    def rollout(self, night: int) -> StageResult:
        """Rolls the night's candidate out and waits for the end."""
        return self.stage("rollout", night)

    def slowed_rollout(self, night: int) -> StageResult:
        """The same, with a neighbour who slows the candidate's server.

        The neighbour comes once readers do: a server slow to start is not what the canary judges.
        """
        with ThreadPoolExecutor(1) as pool:
            ending = pool.submit(self.rollout, night)
            pid = until(lambda: self._canary() or ending.done())
            with NoisyNeighbour(pid) if pid is not True else nullcontext():
                return ending.result()

    def _canary(self) -> int | None:
        """The process of the candidate that has traffic now."""
        record = self.record
        if record is None or record.plan is None or record.state is None or record.state.phase is not Phase.STEPPING:
            return None
        return next((h.pid for h in record.handles if h.generation == record.plan.generation), None)

    @property
    def record(self) -> RolloutRecord | None:
        return status(self.environment, MODEL)


def until(found: Callable[[], T], *, seconds: float = 120.0) -> T:
    """What `found` returns, once that is something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return answer
