"""A tiny real night, run by the real stages, in processes that may be told where to die."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from kills_boundaries import arm

from pressrun import alerts
from pressrun.config.environment import Environment
from pressrun.config.load import load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult, StepKey, writing
from pressrun.loop import run_stage
from pressrun.simulator import Newsroom, write_night
from pressrun.taste import tasting_environment

ROOT = Path(__file__).resolve().parent.parent
NEWSROOM = Newsroom(seed=3, articles_per_night=60)
DAG, FIRST, SECOND = "topics_retrain", "night-1", "night-2"
STAGES = ("ingest", "sample", "label", "train", "gate", "drift")
MODULES = (
    "kills_night", "kills_jobs", "kills_local", "kills_rollout", "pressrun.ingest", "pressrun.sampling",
    "pressrun.sampling.duck", "pressrun.labeling", "pressrun.labeling.llm", "pydantic_ai.models.openai",
    "pressrun.training", "pressrun.gates", "pressrun.drift", "pressrun.rollout", "mlflow",
    "mlflow.store.tracking.sqlalchemy_store", "boto3", "botocore.httpsession", "matplotlib.backends.backend_agg",
    "matplotlib.figure", "mpl_toolkits.mplot3d", "duckdb", "google.cloud.dataproc_v1", "grpc", "alembic.command",
    "kills_warm",
)  # fmt: skip


_PLACES = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source"))


def night_pipeline(service: str = "") -> Pipeline:
    """Quick, and passed by a gate that so few articles can pass; with a labeling `service` the machine is an LLM."""
    given = load_pipeline(ROOT / "config" / "pipelines" / "topics.yaml").model_dump()
    given["articles"]["read"] = {}
    given["sample"] |= {"rows": 16, "strata": ["predicted_topic"]}
    given["label"]["oracle"] = True
    given["label"]["audit"] |= {"share": 0.5, "floor": 0.3, "min_rows": 3}
    given["train"]["families"] = ["svm"]
    given["gate"] |= {"min_audited": 3, "floors": {"macro_f1": 0.05}, "bootstrap": 100, "latency_p99_ms": 10_000}
    given["drift"] |= {"min_rows": 10}
    given["alerts"]["slack"] = None
    if service:
        options = {"concurrency": 1, "output": "prompted", "input_usd": 1.0, "output_usd": 1.0}
        llm = {"labeler": "llm", "model": "openai:stub", "base_url": service, "budget_usd": 5.0, "options": options}
        given["label"]["chain"] = [llm, given["label"]["chain"][-1]]
    return Pipeline.model_validate(given)


def land(home: Path, night: int) -> Environment:
    environment = tasting_environment(home)
    write_night(NEWSROOM, night, out=Path(environment.landing) / "topics")
    return environment


def prepare(folder: str) -> None:
    """Night 1 from end to end; then a home a stage of night 2, as it is before that stage."""
    whole = Path(folder, "whole")
    environment, pipeline = land(whole, 1), night_pipeline()
    for name in STAGES:
        _run(environment, pipeline, name, FIRST)
    land(whole, 2)
    for name in STAGES:
        copied(whole, Path(folder, name))
        _run(environment, pipeline, name, SECOND)
    land(Path(folder, "first"), 1)


def copied(home: Path, to: Path) -> None:
    """The home at another place, with what MLflow keeps in files as links; bundles stay where they are.

    Who writes such a file puts a new one in its place, so a link is as good as a copy.
    """
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("mlflow-artifacts", "models"))
    kept, moved = home / "mlflow-artifacts", to / "mlflow-artifacts"
    if kept.is_dir():
        shutil.copytree(kept, moved, copy_function=os.link)
        with closing(sqlite3.connect(to / "mlflow.db")) as database, database:
            for table, column in _PLACES:
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                database.execute(change, (kept.resolve().as_uri(), moved.resolve().as_uri()))


def attempt(
    *, home: str, stage: str, run: str, told: str, at: int | None, number: int, service: str = "", careless: str = ""
) -> None:
    """One try of a stage as its task makes it, to the message that people get. Dies at boundary `at`."""
    arm(at, Path(told))
    if careless:
        _be_careless(careless, number)
    environment, pipeline = tasting_environment(Path(home)), night_pipeline(service)
    _run(environment, pipeline, stage, run)


def _run(environment: Environment, pipeline: Pipeline, name: str, run: str) -> StageResult:
    result = run_stage(name, pipeline=pipeline, environment=environment, dag_id=DAG, run_id=run)
    if result.verdict is not None:
        alerts.tell(environment, pipeline, result.verdict, thread=f"{pipeline.model} {run}")
    return result


def _be_careless(how: str, number: int) -> None:
    """What the harness must notice: commits that know no key, a try that takes the one before for done."""
    if how == "no key":
        vars(writing).update(_standing=_any_sequence, _commit=_keeping_all)
    elif number:
        os._exit(0)


def _any_sequence(intent: Any, *, table: Any, location: Any) -> tuple[int, None]:
    last = table.transaction_version(intent.app)
    return (intent.sequence if last is None else last + 1), None


def _keeping_all(intent: Any, *, table: Any, files: Any, sequence: int) -> None:
    note = {"pressrun.app": intent.app, "pressrun.sequence": str(sequence)}
    writing.delta.commit(table, add=files, remove=[], app=intent.app, sequence=sequence, note=note, queue=intent.queue)


def key_of(stage: str, run: str = SECOND) -> StepKey:
    return StepKey(dag_id=DAG, run_id=run, task_id=stage)
