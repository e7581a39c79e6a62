"""The sample on platforms of both clouds: through Airflow's connections and hooks, deferred, found again, cancelled."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.google.cloud.hooks.dataproc import DataprocHook
from airflow.sdk.exceptions import TaskDeferred
from fakes import context, deferred, event

from operators.errors import PlatformRefused
from operators.sample import SampleOperator
from operators.triggers import JobTrigger
from pressrun.compute import JobFailed, PollingFailed
from pressrun.config.load import load_environment, load_pipeline
from pressrun.config.pipeline import Read
from pressrun.ingest import ingest
from pressrun.jobs import ExternalJobs, open_database
from pressrun.lake.types import StageResult, StepKey
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step, open_lake
from tests.compute.worlds import ROLE
from tests.fakes.dataproc import fake_dataproc
from tests.fakes.emr import FakeEmr, fake_emr
from tests.fakes.spark_driver import LocalDriver, dataproc_driver, emr_driver

REPOSITORY = Path(__file__).parents[2]
KEY = "topics_retrain/manual__2026-01-02/sample/-1"


@pytest.fixture
def fake() -> Iterator[FakeEmr]:
    with fake_emr() as made:
        yield made


EMR = {
    "kind": "emr_serverless",
    "region": "eu-west-1",
    "application_id": "00abc123",
    "execution_role_arn": ROLE,
    "aws_conn_id": "aws_newsroom",
}
DATAPROC = {
    "kind": "dataproc_serverless",
    "project": "news-prod",
    "region": "europe-west1",
    "impersonation_chain": ["submitter@news-prod.iam.gserviceaccount.com"],
}


def environment_file(home: Path, platform: dict[str, Any]) -> str:
    """The laptop's environment, with Spark jobs elsewhere."""
    text = (REPOSITORY / "config" / "environments" / "laptop.yaml").read_text()
    file = home / "away.yaml"
    file.write_text(text.replace("spark:\n", f"spark:\n  platform: {json.dumps(platform)}\n"))
    return str(file)


@pytest.fixture
def away(home: Path, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment whose Spark jobs run on EMR Serverless, which is the fake by the connection's endpoint."""
    retries = {"retries": {"total_max_attempts": 1}}
    extra = {"endpoint_url": fake.url, "region_name": "eu-west-1", "config_kwargs": retries}
    signed = {"conn_type": "aws", "login": "AKIDTEST", "password": "test-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_NEWSROOM", json.dumps(signed))
    return environment_file(home, EMR)


@pytest.fixture
def ingested(away: str) -> StageResult:
    return ingest_into(away)


def ingest_into(away: str) -> StageResult:
    """A small night in the environment's lake."""
    pipeline = load_pipeline("topics")
    articles = pipeline.articles.model_copy(update={"read": Read()})
    environment = load_environment(away)
    write_night(Newsroom(seed=3, articles_per_night=80), 1, out=Path(environment.landing) / "topics")
    step = Step(
        key=StepKey(dag_id="topics_retrain", run_id="manual__2026-01-02", task_id="ingest"),
        pipeline=pipeline.model_copy(update={"articles": articles}),
        environment=environment,
        lake=open_lake(environment),
    )
    return ingest(step)


def task(away: str, ingested: StageResult, **more: Any) -> SampleOperator:
    upstream = {"ingested": ingested.model_dump(mode="json")}
    return SampleOperator(
        task_id="sample", pipeline="topics", environment=away, upstream=upstream, sample_rows=20,
        **{"poll_seconds": 0, **more},
    )  # fmt: skip


def ledger(away: str) -> ExternalJobs:
    return ExternalJobs(open_database(load_environment(away).database))


def sampled(away: str, ingested: StageResult, drivers: list[LocalDriver]) -> dict[str, Any]:
    """What the task hands on after a deferral; a second task finds the same."""
    trigger = deferred("sample", task(away, ingested, deferrable=True))
    trigger.poll_seconds = 0.2
    assert event(trigger) == {"state": "succeeded"}, drivers[0].log.read_text()
    told: dict[str, Any] = task(away, ingested).execute_complete(context("sample"), {"state": "succeeded"})
    assert task(away, ingested).execute(context("sample")) == told, "a retry finds it without a job"
    return told


@pytest.mark.spark
@pytest.mark.slow
def test_on_aws_a_night_is_sampled_by_a_job_and_found_in_the_lake(
    away: str, ingested: StageResult, fake: FakeEmr, tmp_path: Path
) -> None:
    drivers: list[LocalDriver] = []
    fake.driver = emr_driver(tmp_path, drivers)
    told = sampled(away, ingested, drivers)
    assert (told["facts"]["rows"], told["facts"]["engine"]) == (20, "spark")
    assert len(fake.runs) == 1


@pytest.mark.spark
@pytest.mark.slow
def test_on_google_cloud_too(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drivers: list[LocalDriver] = []
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps({"conn_type": "google_cloud_platform"}))
    away = environment_file(home, DATAPROC)
    ingested = ingest_into(away)
    with fake_dataproc() as fake:
        fake.driver = dataproc_driver(tmp_path, drivers)
        # The hook's own client would insist on TLS; all else of it is real.
        monkeypatch.setattr(DataprocHook, "get_batch_client", lambda hook, region: fake.batches())
        told = sampled(away, ingested, drivers)
    assert (told["facts"]["rows"], told["facts"]["engine"]) == (20, "spark")
    assert len(fake.runs) == 1


def test_the_task_links_to_its_job_and_a_retry_goes_on_with_it(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.script["emr-serverless"] = ["SUBMITTED"]
    first = task(away, ingested, deferrable=True)
    deferred("sample", first)
    run = fake.runs[0].id
    assert first.links["job"].endswith(f"#/serverless-applications/00abc123/{run}")
    deferred("sample", task(away, ingested, deferrable=True))
    assert len(fake.runs) == 1


def test_a_job_that_fails_fails_the_task_with_what_to_do(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.script["emr-serverless"], fake.detail = ["RUNNING", "FAILED"], "Job execution failed. ExitCode: 1."
    with pytest.raises(JobFailed, match=r"ExitCode: 1\. .*driver's log"):
        task(away, ingested, deferrable=False).execute(context("sample"))
    fake.script["emr-serverless"] = ["SUBMITTED"]
    deferred("sample", task(away, ingested, deferrable=True))
    newest = ledger(away).newest(KEY)
    assert newest is not None
    assert newest.generation == 1


def test_what_a_job_took_and_cost_is_the_tasks_xcom_and_its_progress_the_tasks_log(
    home: Path, away: str, fake: FakeEmr, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where Airflow's own logger writes to hangs on what ran in this process before.
    for one in (SampleOperator, JobTrigger):
        monkeypatch.setattr(one, "log", logging.getLogger("task"))
    caplog.set_level(logging.INFO, logger="task")
    priced = environment_file(home, {**EMR, "prices": {"vCPUHour": 0.05, "memoryGBHour": 0.01}})
    ingested = ingest_into(priced)
    fake.script["emr-serverless"] = ["SUBMITTED", "RUNNING", "FAILED"]
    around = context("sample")
    operator = task(priced, ingested, deferrable=True)
    with pytest.raises(TaskDeferred) as deferral:
        operator.execute(around)
    job = around["ti"].xcoms["job"]
    assert (job["platform"], job["cost_usd"], job["page"]) == ("emr_serverless", None, operator.links["job"])
    trigger = deferral.value.trigger
    assert isinstance(trigger, JobTrigger)
    trigger.poll_seconds = 0
    event = asyncio.run(anext(trigger.run()))
    with pytest.raises(JobFailed):
        task(priced, ingested).execute_complete(around, event.payload)
    job = around["ti"].xcoms["job"]
    assert (job["state"], job["cost_usd"]) == ("failed", pytest.approx(1.5 * 0.05 + 6.0 * 0.01))
    assert job["usage"]["vCPUHour"] == 1.5
    assert "sample on emr_serverless: running" in caplog.text
    assert "sample on emr_serverless: failed, 0.14 USD" in caplog.text


def test_a_request_that_is_refused_fails_the_task_for_good(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.troubles["StartJobRun"] = ["denied"]
    with pytest.raises(PlatformRefused, match="emr-serverless:StartJobRun"):
        task(away, ingested).execute(context("sample"))


def test_clearing_a_deferred_task_cancels_its_job(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    trigger = deferred("sample", task(away, ingested, deferrable=True))
    asyncio.run(trigger.on_kill())
    assert fake.runs[0].state == "CANCELLING"


def test_killing_a_task_that_waits_cancels_its_job(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    operator = task(away, ingested, deferrable=True)
    deferred("sample", operator)
    operator.on_kill()
    assert fake.runs[0].state == "CANCELLING"


def test_a_platform_out_of_reach_ends_the_wait_and_not_the_job(away: str, ingested: StageResult, fake: FakeEmr) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    operator = task(away, ingested, deferrable=True, patience_seconds=0)
    trigger = deferred("sample", operator)
    fake.troubles["GetJobRun"] = ["throttled"]
    seen = event(trigger)
    with pytest.raises(PollingFailed, match="a retry of the task finds it"):
        operator.execute_complete(context("sample"), seen)
    assert fake.runs[0].state == "RUNNING"


def test_a_right_that_is_taken_away_in_mid_run_ends_the_wait_with_its_name(
    away: str, ingested: StageResult, fake: FakeEmr
) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    operator = task(away, ingested, deferrable=True)
    trigger = deferred("sample", operator)
    fake.troubles["GetJobRun"] = ["denied"]
    seen = event(trigger)
    with pytest.raises(PollingFailed, match="emr-serverless:GetJobRun was denied"):
        operator.execute_complete(context("sample"), seen)
