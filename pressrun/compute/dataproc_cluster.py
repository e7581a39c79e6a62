"""Jobs of a Dataproc cluster. Submit-once by the job's id, which is the token, and `request_id`; found by that id.

API: https://cloud.google.com/dataproc/docs/reference/rpc/google.cloud.dataproc.v1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pressrun.compute import google
from pressrun.compute.failures import of_dataproc_job
from pressrun.compute.google import AlreadyThere, NotThere, asking
from pressrun.compute.outlook import Outlook, absent, cluster, unseen
from pressrun.compute.overdue import held_to
from pressrun.compute.platform import ComputeError, Handle, JobState, SparkJob, State, priced, unless_ending
from pressrun.compute.quotas import of_cluster
from pressrun.config.spark import DataprocCluster

_STATES = {
    "PENDING": State.SUBMITTED,
    "SETUP_DONE": State.QUEUED,
    "RUNNING": State.RUNNING,
    "CANCEL_PENDING": State.RUNNING,
    "CANCEL_STARTED": State.RUNNING,
    "DONE": State.SUCCEEDED,
    # No job is restarted on the cluster: its first attempt is its last.
    "ERROR": State.FAILED,
    "ATTEMPT_FAILURE": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


class DataprocClusterPlatform:
    """Jobs of one cluster. `client`: google-cloud-dataproc's JobControllerClient; `clusters` makes its cluster client,
    `regions` and `projects` make google-cloud-compute's, for quotas.

    The service knows no time limit of a job: whoever looks at one that is older than `timeout_minutes` cancels it.
    """

    name = "dataproc_cluster"

    def __init__(
        self,
        place: DataprocCluster,
        client: Any,
        *,
        clusters: Callable[[], Any],
        regions: Callable[[], Any],
        projects: Callable[[], Any],
    ) -> None:
        self._place, self._client, self._clusters = place, client, clusters
        self._regions, self._projects = regions, projects

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        place = {"project_id": self._place.project, "region": self._place.region}
        return {**place, "job": self._job(job, token), "request_id": google.request_id(token)}

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        try:
            with asking("dataproc.jobs.create"):
                self._client.submit_job(request=dict(request), timeout=google.TIMEOUT, retry=None)
        except AlreadyThere:
            pass
        place = {"project": request["project_id"], "region": request["region"]}
        return Handle(platform=self.name, job_id=token, place=place)

    def find(self, token: str) -> Handle | None:
        try:
            self._get(self._handle(token))
        except NotThere:
            return None
        return self._handle(token)

    def state(self, handle: Handle) -> JobState:
        try:
            job = self._get(handle)
        except NotThere as gone:
            return JobState(state=State.UNKNOWN, detail=str(gone), logs=self.page(handle))
        told = self._told(job, handle)
        return held_to(
            self._place.timeout_minutes,
            told,
            since=min(filter(None, (one.state_start_time for one in (*job.status_history, job.status))), default=None),
            until=job.status.state_start_time if told.state.ended else None,
            end=lambda: self._end(handle),
        )

    def cancel(self, handle: Handle) -> None:
        if self.state(handle).ending:
            return
        with unless_ending(self, handle):
            self._end(handle)

    def outlook(self) -> Iterator[Outlook]:
        place = self._place
        named = {"project_id": place.project, "region": place.region, "cluster_name": place.cluster}
        try:
            with asking("dataproc.clusters.get", job=True):
                told = self._clusters().get_cluster(request=named, timeout=google.TIMEOUT, retry=None)
        except NotThere as gone:
            yield absent("cluster", gone)
        except ComputeError as error:
            yield unseen("cluster", error)
        else:
            yield from cluster(told, place)
            yield from of_cluster(self._regions, self._projects, told, place)

    def page(self, handle: Handle) -> str:
        return google.console(handle.place, "jobs", handle.job_id)

    def _end(self, handle: Handle) -> None:
        with suppress(NotThere), asking("dataproc.jobs.cancel", job=True):
            self._client.cancel_job(request=self._named(handle), timeout=google.TIMEOUT, retry=None)

    def _get(self, handle: Handle) -> Any:
        with asking("dataproc.jobs.get", job=True):
            return self._client.get_job(request=self._named(handle), timeout=google.TIMEOUT, retry=None)

    def _told(self, job: Any, handle: Handle) -> JobState:
        state = _STATES.get(job.status.state.name, State.UNKNOWN)
        if state is State.RUNNING and job.status.substate.name == "QUEUED":
            state = State.QUEUED
        failure, hint = of_dataproc_job(job.status.details) if state is State.FAILED else (None, "")
        usage = _usage(job.yarn_applications)
        return JobState(
            state=state,
            detail=job.status.details,
            failure=failure,
            hint=hint,
            progress=min((one.progress for one in job.yarn_applications), default=None),
            usage=usage,
            cost_usd=priced(usage, self._place.prices),
            logs=job.driver_output_resource_uri or self.page(handle),
            cancelling=job.status.state.name.startswith("CANCEL_"),
        )

    def _job(self, job: SparkJob, token: str) -> dict[str, Any]:
        return {
            "reference": {"project_id": self._place.project, "job_id": token},
            "placement": {"cluster_name": self._place.cluster},
            "pyspark_job": {
                "main_python_file_uri": job.entry,
                "args": list(job.arguments),
                "python_file_uris": list(job.packages),
                "file_uris": list(job.files),
                "archive_uris": google.archives(self._place.python_archive),
                "properties": self._properties(job),
            },
            "labels": google.labels(job.labels),
        }

    def _properties(self, job: SparkJob) -> dict[str, str]:
        archive, python = self._place.python_archive, self._place.python
        chosen = google.interpreter(archive=archive, python=python, driver="spark.yarn.appMasterEnv.")
        # Only YARN unpacks archives, and a driver outside it finds no ./environment.
        mode = {"spark.submit.deployMode": "cluster"} if archive else {}
        return google.settings(job) | chosen | mode | {"spark.yarn.maxAppAttempts": "1"}

    def _handle(self, token: str) -> Handle:
        place = {"project": self._place.project, "region": self._place.region}
        return Handle(platform=self.name, job_id=token, place=place)

    def _named(self, handle: Handle) -> dict[str, str]:
        return {"project_id": handle.place["project"], "region": handle.place["region"], "job_id": handle.job_id}


def _usage(applications: Any) -> dict[str, float]:
    """What YARN gave to the job's applications, in hours."""
    vcores = sum(one.vcore_seconds for one in applications) / 3600
    memory = sum(one.memory_mb_seconds for one in applications) / 3600 / 1024
    return {"vCoreHour": vcores, "memoryGBHour": memory} if vcores else {}
