"""One DAG run of the demo, followed stage by stage: states from Airflow, results from the lake."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pressrun.demo.screen import Screen
from pressrun.demo.stack import Stack
from pressrun.lake import StageResult, StepKey
from pressrun.step import open_lake

STAGES = ("ingest", "sample", "label", "train", "gate", "rollout")
ENDED = {"success", "failed", "upstream_failed", "skipped", "removed"}
PATIENCE = 600.0


class StoryStoppedError(RuntimeError):
    """A run did not end as far as can be waited for; the message names the run and where to look."""


@dataclass(kw_only=True)
class Run:
    """A run as it goes: `results` holds what each finished stage handed on."""

    dag_id: str
    run_id: str
    started: float = field(default_factory=time.monotonic)
    results: dict[str, StageResult] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def result(self, stage: str) -> StageResult | None:
        return self.results.get(stage)


def start_run(stack: Stack, dag_id: str, conf: Mapping[str, Any] | None = None) -> Run:
    """Triggers the DAG."""
    return Run(dag_id=dag_id, run_id=stack.airflow.trigger(dag_id, conf=dict(conf or {})))


def follow(run: Run, stack: Stack, screen: Screen, *, until: str | None = None) -> Run:
    """Shows each task as it ends, until all have ended or `until` runs. Raises StoryStoppedError after ten minutes."""
    lake = open_lake(stack.environment)
    since = time.monotonic()
    with screen.waiting(f"{run.dag_id} · Airflow {stack.airflow_url}"):
        while True:
            states = stack.airflow.task_states(run.dag_id, run.run_id)
            for task in _newly_ended(run, states):
                result = lake.finished(StepKey(dag_id=run.dag_id, run_id=run.run_id, task_id=task))
                _show(task, states[task], result, run, screen, seconds=time.monotonic() - since)
                since = time.monotonic()
            for message in stack.messages.new():
                screen.message(message)
            run.states = dict(states)
            if _over(states) or (until is not None and states.get(until) in {"running", "deferred"}):
                return run
            if run.seconds > PATIENCE:
                raise StoryStoppedError(
                    f"{run.dag_id} {run.run_id} still runs after {PATIENCE:.0f} s; see {stack.airflow_url}"
                )
            time.sleep(1.0)


def _newly_ended(run: Run, states: Mapping[str, str]) -> list[str]:
    order = [*STAGES, *(task for task in states if task not in STAGES)]
    return [task for task in order if states.get(task) in ENDED and run.states.get(task) not in ENDED]


def _over(states: Mapping[str, str]) -> bool:
    return bool(states) and all(state in ENDED for state in states.values())


def _show(task: str, state: str, result: StageResult | None, run: Run, screen: Screen, *, seconds: float) -> None:
    if result is not None:
        run.results[task] = result
        screen.stage(task, result, seconds=seconds)
    elif state == "failed":
        screen.line(task, "[red]failed[/red]; its log in Airflow ends with what to do")
    elif state == "upstream_failed":
        screen.line(task, "[dim]not started: what comes before it failed[/dim]")
    elif state == "skipped":
        screen.line(task, "[dim]skipped[/dim]")
