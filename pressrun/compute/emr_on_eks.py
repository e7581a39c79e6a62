"""Amazon EMR on EKS. Submit-once by `clientToken`; a lost handle is found by the job run's name, the token.

API: https://docs.aws.amazon.com/emr-on-eks/latest/APIReference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pressrun.compute.aws import NotThere, asking, python_settings, settings, submit_parameters
from pressrun.compute.labels import aws_tags
from pressrun.compute.outlook import Outlook, absent, unseen, virtual_cluster
from pressrun.compute.overdue import held_to
from pressrun.compute.platform import ComputeError, Handle, JobState, SparkJob, State, unless_ending
from pressrun.compute.quotas import of_namespace
from pressrun.config.spark import EmrOnEks

_STATES = {
    "PENDING": State.SUBMITTED,
    "SUBMITTED": State.QUEUED,
    "RUNNING": State.RUNNING,
    "CANCEL_PENDING": State.RUNNING,
    "COMPLETED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
# By the service's own `failureReason`.
_FAILURES = {
    "USER_ERROR": ("job", "Read the driver's log for the last error; out of memory: raise spark.platform.resources"),
    "VALIDATION_ERROR": ("configuration", "Look at the release label, the role's trust in the cluster, and the image"),
    "CLUSTER_UNAVAILABLE": ("platform", "Look at the EKS cluster's nodes and at the virtual cluster; a retry helps"),
    "INTERNAL_ERROR": ("platform", "Nothing of yours; a retry helps"),
}


class EmrOnEksPlatform:
    """Job runs of one virtual cluster. `client`: boto3's of emr-containers; `eks` finds the client of an EKS cluster.

    The service knows no time limit of a job: whoever looks at one that is older than `timeout_minutes` cancels it.
    """

    name = "emr_on_eks"

    def __init__(self, place: EmrOnEks, client: Any, *, eks: Callable[[frozenset[str]], Any]) -> None:
        self._place, self._client, self._eks = place, client, eks

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        with asking("emr-containers:StartJobRun"):
            started = self._client.start_job_run(**request)
        return self._handle(started["id"], cluster=request["virtualClusterId"])

    def find(self, token: str) -> Handle | None:
        asked = {"virtualClusterId": self._place.virtual_cluster_id, "name": token}
        with asking("emr-containers:ListJobRuns"):
            pages = self._client.get_paginator("list_job_runs").paginate(**asked)
            run_id = next((run["id"] for page in pages for run in page.get("jobRuns", [])), None)
        return self._handle(run_id, cluster=self._place.virtual_cluster_id) if run_id else None

    def state(self, handle: Handle) -> JobState:
        try:
            with asking("emr-containers:DescribeJobRun", job=True):
                run = self._client.describe_job_run(**self._named(handle))["jobRun"]
        except NotThere as gone:
            return JobState(state=State.UNKNOWN, detail=str(gone), logs=self._logs(handle))
        return held_to(
            self._place.timeout_minutes,
            self._told(run, handle),
            since=run.get("createdAt"),
            until=run.get("finishedAt"),
            end=lambda: self._end(handle),
        )

    def cancel(self, handle: Handle) -> None:
        if self.state(handle).ending:
            return
        with unless_ending(self, handle):
            self._end(handle)

    def outlook(self) -> Iterator[Outlook]:
        try:
            with asking("emr-containers:DescribeVirtualCluster", job=True):
                told = self._client.describe_virtual_cluster(id=self._place.virtual_cluster_id)["virtualCluster"]
        except NotThere as gone:
            yield absent("virtual cluster", gone)
        except ComputeError as error:
            yield unseen("virtual cluster", error)
        else:
            yield from virtual_cluster(told, self._place)
            yield from of_namespace(self._eks, told, self._place)

    def page(self, handle: Handle) -> str:
        region, cluster = handle.place["region"], handle.place["virtual_cluster_id"]
        console = f"https://{region}.console.aws.amazon.com/emr/home?region={region}"
        return f"{console}#/virtual-clusters/{cluster}/job-runs/{handle.job_id}"

    def _end(self, handle: Handle) -> None:
        with suppress(NotThere), asking("emr-containers:CancelJobRun", job=True):
            self._client.cancel_job_run(**self._named(handle))

    def _told(self, run: Mapping[str, Any], handle: Handle) -> JobState:
        state = _STATES.get(run["state"], State.UNKNOWN)
        failure, hint = _FAILURES[run.get("failureReason", "USER_ERROR")] if state is State.FAILED else (None, "")
        detail = run.get("stateDetails", "")
        going = run["state"] == "CANCEL_PENDING"
        logs = self._logs(handle)
        return JobState(state=state, detail=detail, failure=failure, hint=hint, logs=logs, cancelling=going)

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        driver = {
            "entryPoint": job.entry,
            "entryPointArguments": list(job.arguments),
            "sparkSubmitParameters": submit_parameters(job),
        }
        defaults = {"classification": "spark-defaults", "properties": settings(job) | self._own_settings()}
        return {
            "name": token,
            "virtualClusterId": self._place.virtual_cluster_id,
            "clientToken": token,
            "executionRoleArn": self._place.execution_role_arn,
            "releaseLabel": self._place.release_label,
            "jobDriver": {"sparkSubmitJobDriver": driver},
            "configurationOverrides": {"applicationConfiguration": [defaults], **self._monitoring()},
            "tags": aws_tags(job.labels),
        }

    def _own_settings(self) -> dict[str, str]:
        image = {"spark.kubernetes.container.image": self._place.image} if self._place.image else {}
        return image | python_settings(
            archive=self._place.python_archive,
            python=self._place.python,
            driver="spark.kubernetes.driverEnv.",
            executor="spark.executorEnv.",
        )

    def _monitoring(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if self._place.log_uri:
            told["s3MonitoringConfiguration"] = {"logUri": self._place.log_uri}
        if self._place.log_group:
            told["cloudWatchMonitoringConfiguration"] = {"logGroupName": self._place.log_group}
        return {"monitoringConfiguration": told} if told else {}

    def _handle(self, run_id: str, *, cluster: str) -> Handle:
        place = {"virtual_cluster_id": cluster, "region": self._place.region}
        return Handle(platform=self.name, job_id=run_id, place=place)

    def _named(self, handle: Handle) -> dict[str, str]:
        return {"virtualClusterId": handle.place["virtual_cluster_id"], "id": handle.job_id}

    def _logs(self, handle: Handle) -> str:
        if self._place.log_uri is None:
            return self.page(handle)
        return f"{self._place.log_uri.rstrip('/')}/{handle.place['virtual_cluster_id']}/jobs/{handle.job_id}/"
