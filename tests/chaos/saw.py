"""What a person sees of a run in which something was taken away, and what became of the data."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from pressrun.compute.uploads import local_jobs
from pressrun.demo.airflow_client import AirflowClient, AirflowError
from pressrun.jobs import ExternalJobs, open_database
from pressrun.registry.tracking import connect
from pressrun.rollout import served
from pressrun.step import open_lake
from tests.chaos.site import DAG, Site

ONCE = {
    "articles": ("article_id",),
    "given": ("article_id",),
    "samples": ("article_id",),
    "labels": ("article_id", "labeler"),
    "verdicts": ("kind", "step_key"),
    "steps": ("step_key",),
}
T = TypeVar("T")
RUNS = ("running", "deferred")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is away for `seconds`, from the moment on that `task` is in one of the states `during`."""

    what: str
    task: str
    away: Callable[[Site], AbstractContextManager[None]]
    seconds: float = 20
    during: Sequence[str] = RUNS


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of a task: `last` is the last line of its log when it did not succeed."""

    task: str
    number: int
    state: str
    last: str = ""


@dataclass(frozen=True, kw_only=True)
class Saw:
    """How a run ended: its state, every task's tries, and the faults that it met, each at a second of the run."""

    state: str
    seconds: float
    tries: Sequence[Try]
    met: Sequence[tuple[float, str]] = ()

    def tried(self, task: str) -> list[str]:
        """The states of the task's tries, the first one first."""
        return [one.state for one in self.tries if one.task == task]


def night(site: Site, number: int, faults: Sequence[Fault], *, patience: float = 600, **conf: Any) -> Saw:
    """Lands a night's articles and runs it, with the faults one after the other."""
    site.land(number)
    airflow, began = site.stack.airflow, time.monotonic()
    run, met = airflow.trigger(DAG, conf=conf), list[tuple[float, str]]()
    for fault in faults:
        if not _comes_to(airflow, run, fault, patience=patience):
            break
        met.append((round(time.monotonic() - began, 1), f"{fault.what}, {fault.seconds:.0f} s, at {fault.task}"))
        with fault.away(site):
            time.sleep(fault.seconds)
    state = patiently(lambda: airflow.wait(DAG, run, patience=patience))
    return ended(site, run, state=state, began=began, met=met)


def ended(site: Site, run: str, *, state: str, began: float, met: Sequence[tuple[float, str]] = ()) -> Saw:
    """What there is to see of a run that has ended."""
    seconds = round(time.monotonic() - began, 1)
    return Saw(state=state, seconds=seconds, tries=list(_tries(site.stack.airflow, run)), met=met)


def _comes_to(airflow: AirflowClient, run: str, fault: Fault, *, patience: float) -> bool:
    """Whether the task came to a state in which the fault is wanted, before the run ended."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        states = patiently(lambda: airflow.task_states(DAG, run))
        if states.get(fault.task) in fault.during:
            return True
        if states.get(fault.task) in ("success", "failed", "upstream_failed", "skipped"):
            return False
        time.sleep(0.2)
    raise AssertionError(f"{fault.task} of {run} never came to {fault.during}: {states}")


def patiently(ask: Callable[[], T], *, seconds: float = 120) -> T:
    """Asks Airflow, which may be away itself."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except AirflowError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def _tries(airflow: AirflowClient, run: str) -> Iterator[Try]:
    for task in airflow.tasks(DAG, run):
        path = f"dags/{DAG}/dagRuns/{quote(run)}/taskInstances/{task.task_id}/tries"
        for row in sorted(airflow.get(path)["task_instances"], key=lambda row: int(row["try_number"])):
            number, state = int(row["try_number"]), str(row["state"])
            last = "" if state in ("success", "skipped") else _last(airflow, run, task.task_id, number)
            yield Try(task=task.task_id, number=number, state=state, last=last)


def _last(airflow: AirflowClient, run: str, task: str, number: int) -> str:
    """The last line that says what was wrong."""
    try:
        lines = [line for line in airflow.log(DAG, run, task, number).splitlines() if line.strip()]
    except AirflowError as error:
        return f"no log: {error}"
    told = [line for line in lines if line.startswith("Task failed with exception")]
    return (told or lines or [""])[-1]


@dataclass(frozen=True, kw_only=True)
class Left:
    """What there is in the end."""

    doubled: dict[str, list[tuple[Any, ...]]]
    articles: int
    jobs: Counter[str] = field(default_factory=Counter)
    """Of each sampling step: how many jobs were started for it."""
    versions: int = 0
    champion: str = ""
    alias: str = ""


def left(site: Site) -> Left:
    """Looked up in the lake, in the ledger of jobs, in MLflow and at the router."""
    environment, model = site.stack.environment, site.stack.pipeline.model
    lake, doubled = open_lake(environment), {}
    for table, columns in ONCE.items():
        rows = lake.read(lake.snapshot(table, pipeline=model), list(columns)).to_pylist()
        counts = Counter(tuple(row.values()) for row in rows)
        if twice := [key for key, count in counts.items() if count > 1]:
            doubled[table] = twice
    ledger = ExternalJobs(open_database(environment.database)).of_pipeline(model)
    folders = [path for path in local_jobs(environment).iterdir() if (path / "pid.json").is_file()]
    assert len(folders) == len(ledger), "every job that ever ran is in the ledger"
    client, champion = connect(environment), served(environment, model)
    return Left(
        doubled=doubled,
        articles=lake.snapshot("articles", pipeline=model).rows,
        jobs=Counter(job.step_key for job in ledger),
        versions=len(client.search_model_versions(f"name = '{model}'")),
        champion=str(champion.version) if champion else "",
        alias=str(client.get_registered_model(model).aliases.get("champion", "")),
    )
