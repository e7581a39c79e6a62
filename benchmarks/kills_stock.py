"""Airflow's stock operators at the same moment: the service has accepted the job, the worker dies before it knows.

They are made as their documentation makes them, retried as Airflow retries them (a new process, the same task, the next
try), and speak by the providers' hooks to the same services. Only their polling is made quicker.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

from kills_template import Template

ROLE = "arn:aws:iam::123456789012:role/pressrun-job"
MODULES = (
    "kills_stock", "airflow.sdk", "airflow.providers.amazon.aws.operators.emr",
    "airflow.providers.google.cloud.operators.dataproc", "tests.fakes.dataproc", "boto3",
)  # fmt: skip
_SCRIPT = {"args": ["--night", "1"]}
_PYSPARK = {"main_python_file_uri": "gs://news/job.py", **_SCRIPT}
_SUBMITTED = {"entryPoint": "s3://news/job.py", "entryPointArguments": _SCRIPT["args"]}


def env(folder: Path) -> dict[str, str]:
    """An Airflow of its own that nobody else knows; connections come with each try."""
    return {
        "AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps({"conn_type": "google_cloud_platform", "extra": {}}),
    }  # fmt: skip


def serverless() -> Any:
    from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator

    return EmrServerlessStartJobOperator(
        task_id="sample", application_id="00abc123", execution_role_arn=ROLE, region_name="eu-west-1",
        job_driver={"sparkSubmit": _SUBMITTED}, waiter_delay=1,
    )  # fmt: skip


def containers() -> Any:
    from airflow.providers.amazon.aws.operators.emr import EmrContainerOperator

    return EmrContainerOperator(
        task_id="sample", name="sample", virtual_cluster_id="vc0abc", execution_role_arn=ROLE, region_name="eu-west-1",
        release_label="emr-spark-8.0.0-latest", job_driver={"sparkSubmitJobDriver": _SUBMITTED}, poll_interval=1,
    )  # fmt: skip


def batch(**named: Any) -> Any:
    from airflow.providers.google.cloud.operators.dataproc import DataprocCreateBatchOperator

    return DataprocCreateBatchOperator(
        task_id="sample", project_id="news-prod", region="europe-west1", batch={"pyspark_batch": _PYSPARK}, **named
    )


def named_batch() -> Any:
    return batch(batch_id="sample-night-2")


def job() -> Any:
    from airflow.providers.google.cloud.operators.dataproc import DataprocSubmitJobOperator

    told = {"placement": {"cluster_name": "spark"}, "pyspark_job": _PYSPARK}
    return DataprocSubmitJobOperator(task_id="sample", project_id="news-prod", region="europe-west1", job=told)


OPERATORS: dict[str, tuple[str, Callable[[], Any]]] = {
    "EmrServerlessStartJobOperator": ("emr_serverless", serverless),
    "EmrContainerOperator": ("emr_on_eks", containers),
    "DataprocCreateBatchOperator": ("dataproc_serverless", batch),
    "DataprocCreateBatchOperator with batch_id": ("dataproc_serverless", named_batch),
    "DataprocSubmitJobOperator": ("dataproc_cluster", job),
}


def attempt(*, operator: str, address: str, dies: bool, number: int) -> None:
    """One try of the task."""
    extra = {"endpoint_url": address, "region_name": "eu-west-1"}
    signed = {"conn_type": "aws", "login": "AKIDTEST", "password": "test-secret", "extra": extra}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(signed)
    _reach(address)
    if dies:
        _die_once_accepted()
    made = OPERATORS[operator][1]()
    ti = MagicMock(dag_id="stock", run_id="night-2", task_id="sample", map_index=-1, try_number=number)
    made.execute({"ti": ti, "task_instance": ti, "task": made, "run_id": "night-2", "params": {}})


def _reach(address: str) -> None:
    """Google's clients of the fake: its channel has no certificates."""
    from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

    from tests.fakes.dataproc import FakeDataproc

    fake = FakeDataproc(address=address)
    DataprocHook.get_batch_client = lambda hook, region=None: fake.batches()
    DataprocHook.get_job_client = lambda hook, region=None: fake.jobs()


def _die_once_accepted() -> None:
    import botocore.httpsession
    import grpc._channel as channel

    send = botocore.httpsession.URLLib3Session.send

    def sent(session: Any, request: Any) -> Any:
        answer = send(session, request)
        if request.method == "POST" and request.url.endswith("/jobruns"):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    botocore.httpsession.URLLib3Session.send = sent
    for name in ("__call__", "with_call"):
        _dying(channel._UnaryUnaryMultiCallable, name)


def _dying(owner: Any, name: str) -> None:
    real = getattr(owner, name)

    def called(self: Any, *given: Any, **more: Any) -> Any:
        answer = real(self, *given, **more)
        method = self._method.decode() if isinstance(self._method, bytes) else self._method
        if method.endswith(("/CreateBatch", "/SubmitJob")):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, called)


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What became of an operator's lineages: kills, jobs started beside one that had not failed, retries that ended."""

    operator: str
    kills: int
    started_twice: int
    ended_well: int


def measure(template: Template, operator: str, *, times: int, folder: Path) -> Stock:
    kills = twice = well = 0
    for number in range(times):
        killed, jobs, status = _lineage(template, operator, folder / f"stock-{number}.log")
        kills, twice, well = kills + killed, twice + max(0, jobs - 1), well + (status == 0)
    return Stock(operator=operator, kills=kills, started_twice=twice, ended_well=well)


def _lineage(template: Template, operator: str, log: Path) -> tuple[int, int, int]:
    from kills_jobs import service

    kind = OPERATORS[operator][0]
    with service(kind) as fake:
        _as_the_service(fake)
        # The job runs until somebody looks: when the retry begins, it has not failed, nor ended.
        fake.script = {name: ["RUNNING", states[-1]] for name, states in fake.script.items()}
        address = getattr(fake, "url", "") or fake.address
        status, kills = 0, 0
        for number in (1, 2):
            given = {"operator": operator, "address": address, "dies": number == 1, "number": number}
            status = template.fork("kills_stock:attempt", given, log=log).wait()
            kills += status == -signal.SIGKILL
        return kills, len(fake.runs), status


def _as_the_service(fake: Any) -> None:
    """What the fakes leave out because Pressrun never asks for it: an application's state, ids that nobody gave."""
    if hasattr(fake, "obey"):
        obey = fake.obey
        fake.obey = lambda service, operation, given: (
            _application(given) if operation == "GetApplication" else obey(service, operation, given)
        )
        return
    create, submit = fake.create_batch, fake.submit_job

    def create_batch(asked: Any) -> Any:
        asked.batch_id = asked.batch_id or f"batch-{uuid4().hex[:12]}"
        return create(asked)

    def submit_job(asked: Any) -> Any:
        asked.job.reference.job_id = asked.job.reference.job_id or uuid4().hex
        return submit(asked)

    fake.create_batch, fake.submit_job = create_batch, submit_job


def _application(given: Any) -> dict[str, Any]:
    now, name = datetime.now(UTC), given["applicationId"]
    told = {
        "applicationId": name, "arn": f"arn:aws:emr-serverless:eu-west-1:123456789012:/applications/{name}",
        "releaseLabel": "emr-spark-8.0.0", "type": "Spark", "state": "STARTED", "createdAt": now, "updatedAt": now,
    }  # fmt: skip
    return {"application": told}
