"""A night of ten thousand articles through Airflow, with the stack already up: where each second goes."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from pressrun.demo.loop import STAGES
from pressrun.demo.mishap import readable_articles
from pressrun.demo.places import Laptop
from pressrun.demo.stack import Ports, Stack, start_stack
from pressrun.demo.stock import Stock, simulated_stock
from pressrun.demo.traffic import Traffic
from pressrun.java import ensure_java
from pressrun.lake import StepKey
from pressrun.step import open_lake

DAG, ROWS, PATIENCE = "topics_retrain", 10_000, 900.0
READERS_PER_SECOND = 40.0


def nightly_loop(console: Console) -> dict[str, Any]:
    """Two nights on a stack of its own; the second, which has a champion to beat, is the one that counts.

    `seconds` is from the trigger to the run's end without what the rollout's policy asks for: its steps and its bake.
    """
    ensure_java()
    stock = simulated_stock(articles_per_night=ROWS)
    with tempfile.TemporaryDirectory() as folder:
        ports = Ports(airflow=free_port(), mlflow=free_port(), router=free_port())
        os.environ["PRESSRUN_ROUTER_PORT"] = str(ports.router)
        place = Laptop(port=ports.router)
        stack = start_stack(
            home=Path(folder) / "home", ports=ports, place=place, stock=stock,
            told=lambda name, seconds: console.print(f"{name} ready after {seconds:.0f} s", highlight=False),
        )  # fmt: skip
        traffic = Traffic(router_url=place.readers_url(), model="topics", rate=READERS_PER_SECOND)
        try:
            stack.airflow.wait_for_dags(DAG, patience=PATIENCE)
            first = night(stack, stock, 1)
            traffic.offer(readable_articles(stack))
            return night(stack, stock, 2) | {"first_night_seconds": first["seconds"]}
        finally:
            stack.services.stop()
            traffic.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def night(stack: Stack, stock: Stock, number: int) -> dict[str, Any]:
    stock.land(number, landing=stack.landing)
    start = time.time()
    run = stack.airflow.trigger(DAG)
    state = stack.airflow.wait(DAG, run, patience=PATIENCE)
    whole, policy = time.time() - start, canary_seconds(stack, run)
    parts = [*stage_parts(task_rows(stack, run), start)]
    parts.append(part("until the run has ended", whole - sum(one["seconds"] for one in parts), ""))
    parts.append(part("not counted of the rollout", policy, "steps and bake, as the policy asks for"))
    return {"seconds": whole - policy, "whole": whole, "policy_seconds": policy, "state": state, "parts": parts}


def stage_parts(rows: list[dict[str, Any]], start: float) -> Iterator[dict[str, Any]]:
    """Each stage from the end of the one before it to its own end: together they are all the time there is."""
    tasks = {row["task_id"]: row for row in rows if row.get("start_date") and row.get("end_date")}
    before = start
    for name in (stage for stage in STAGES if stage in tasks):
        begun, ended = (datetime.fromisoformat(tasks[name][key]).timestamp() for key in ("start_date", "end_date"))
        yield part(name, ended - before, f"{begun - before:.1f} s until Airflow began it")
        before = ended


def part(stage: str, seconds: float, note: str) -> dict[str, Any]:
    return {"stage": stage, "seconds": seconds, "note": note}


def task_rows(stack: Stack, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.airflow.get(f"dags/{DAG}/dagRuns/{run}/taskInstances")["task_instances"]
    return found


def canary_seconds(stack: Stack, run: str) -> float:
    """From the first step of the rollout to its end, as its controller counts."""
    result = open_lake(stack.environment).finished(StepKey(dag_id=DAG, run_id=run, task_id="rollout"))
    return float(result.facts.get("seconds") or 0.0) if result else 0.0
