"""Nights through a whole site from which one part after the other is taken away for a while: `make chaos`.

What each fault looked like is in docs/benchmarks/chaos.md; with CHAOS_TOLD=FILE the tests write down what they saw.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pressrun.demo.mishap import readable_articles
from pressrun.demo.traffic import Traffic
from pressrun.rollout import Phase, status
from tests.chaos.saw import Fault, Left, Saw, ended, left, night
from tests.chaos.site import DAG, Site, site

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.airflow, pytest.mark.spark, pytest.mark.timeout(1800)]
ARTICLES, STAGES = 400, ("ingest", "sample", "label", "train", "gate")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("chaos") / "demo", articles=ARTICLES) as made:
        made.stack.airflow.wait_for_dags(DAG)
        yield made


@pytest.fixture
def whole(running: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same, with this process signed in to its bucket."""
    for name, value in running.bucket.server.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def traffic(whole: Site) -> Iterator[Traffic]:
    """Readers, who go on asking whatever is away."""
    readers = Traffic(router_url=whole.stack.place.readers_url(), model="topics", rate=40)
    try:
        yield readers
    finally:
        readers.stop()


def told(name: str, saw: Saw) -> None:
    """For docs/benchmarks/chaos.md."""
    if file := os.environ.get("CHAOS_TOLD"):
        with Path(file).open("a") as out:
            out.write(json.dumps({"night": name, **asdict(saw)}) + "\n")


def assert_once(whole: Site) -> Left:
    """Every article is there once, nothing is doubled, each sampling was one job, each training one version."""
    found, nights = left(whole), len(whole.landed)
    assert found.doubled == {}
    assert found.articles == ARTICLES * nights
    assert list(found.jobs.values()) == [1] * nights
    assert found.versions == nights
    assert found.champion == found.alias
    return found


def test_a_night_outlives_its_dag_processor_its_triggerer_and_its_scheduler(whole: Site) -> None:
    faults = [
        Fault(what="dag processor killed", task="ingest", away=lambda s: s.without("dag-processor")),
        Fault(what="triggerer killed", task="sample", away=lambda s: s.without("triggerer"), during=("deferred",)),
        Fault(what="scheduler killed", task="train", away=lambda s: s.without("scheduler"), during=("running",)),
    ]
    saw = night(whole, 1, faults, sample_rows=300)
    told("one", saw)
    assert saw.state == "success", saw.tries
    assert len(saw.met) == len(faults)
    # Only the task that ran on the killed worker was tried again.
    assert {task: len(saw.tried(task)) for task in STAGES} == {**dict.fromkeys(STAGES, 1), "train": 2}
    assert assert_once(whole).champion == "1"


def test_a_night_outlives_its_bucket_its_database_and_its_registry(whole: Site, traffic: Traffic) -> None:
    traffic.offer(readable_articles(whole.stack))
    faults = [
        Fault(what="bucket answers 503", task="ingest", away=lambda s: s.unavailable(), seconds=60),
        Fault(what="bucket hangs", task="sample", away=lambda s: s.hanging("s3")),
        Fault(what="PostgreSQL crashed", task="label", away=lambda s: s.without_postgresql(), during=("running",)),
        Fault(what="MLflow killed", task="train", away=lambda s: s.without_mlflow(), during=("running",)),
        Fault(what="API server killed", task="gate", away=lambda s: s.without("api-server"), during=("running",)),
        Fault(what="triggerer killed", task="rollout", away=lambda s: s.without("triggerer"), during=("deferred",)),
    ]
    saw = night(whole, 2, faults, sample_rows=300)
    told("two", saw)
    found = assert_once(whole)
    record = status(whole.stack.environment, "topics")
    assert record is not None
    # The canary's verdict is its own; what serves is what it says.
    promoted = record.outcomes[-1].phase is Phase.PROMOTED
    assert (saw.state, found.champion) == (("success", "2") if promoted else ("failed", "1")), saw.tries
    assert [task for task in ("ingest", "sample") if saw.tried(task) != ["success"]] == []
    assert traffic.counts.failed == 0


def test_a_night_without_its_registry_fails_with_what_to_do_and_goes_on_where_it_stood(whole: Site) -> None:
    whole.land(3)
    airflow, began = whole.stack.airflow, time.monotonic()
    with whole.without_mlflow():
        run = airflow.trigger(DAG, conf={"sample_rows": 300, "dry_run": True})
        state = airflow.wait(DAG, run, patience=900)
        stopped = ended(whole, run, state=state, began=began)
    told("three, with MLflow away", stopped)
    assert (state, stopped.tried("train"), stopped.tried("gate")) == ("failed", ["failed"] * 3, ["upstream_failed"])
    last = [one.last for one in stopped.tries if one.task == "train"][-1]
    assert f"MLflow at {whole.stack.mlflow_url} does not answer" in last
    assert "clear its task" in last
    whole.wait_for_mlflow()
    began = time.monotonic()
    airflow.clear(DAG, run, "train")
    state = airflow.wait(DAG, run, patience=600)
    again = ended(whole, run, state=state, began=began)
    told("three, cleared", again)
    # So few articles may be too few for the gate; it is reached, and its verdict is its own.
    judged = [one.last for one in again.tries if one.task == "gate" and one.state == "failed"]
    assert state == "success" or "Gate: insufficient" in judged[-1], again.tries
    assert {task: len(again.tried(task)) for task in STAGES[:3]} == dict.fromkeys(STAGES[:3], 1)
    assert_once(whole)
