"""Dataproc Serverless. Submit-once by the batch's id, which is the token, and `request_id`; found by that id.

API: https://cloud.google.com/dataproc-serverless/docs/reference/rpc/google.cloud.dataproc.v1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pressrun.compute import google
from pressrun.compute.failures import of_dataproc_batch
from pressrun.compute.google import AlreadyThere, NotThere, asking
from pressrun.compute.outlook import Outlook, batches
from pressrun.compute.platform import Handle, JobState, SparkJob, State, priced, unless_ending
from pressrun.compute.quotas import of_batches
from pressrun.config.spark import DataprocServerless

_STATES = {
    "PENDING": State.QUEUED,
    "RUNNING": State.RUNNING,
    "CANCELLING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


class DataprocServerlessPlatform:
    """Batches of one project and region. `client`: google-cloud-dataproc's BatchControllerClient.

    `regions` and `projects` make google-cloud-compute's clients, for quotas.
    """

    name = "dataproc_serverless"

    def __init__(
        self, place: DataprocServerless, client: Any, *, regions: Callable[[], Any], projects: Callable[[], Any]
    ) -> None:
        self._place, self._client, self._regions, self._projects = place, client, regions, projects

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        return {
            "parent": f"projects/{self._place.project}/locations/{self._place.region}",
            "batch": self._batch(job),
            "batch_id": token,
            "request_id": google.request_id(token),
        }

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        try:
            with asking("dataproc.batches.create"):
                self._client.create_batch(request=dict(request), timeout=google.TIMEOUT)
        except AlreadyThere:
            pass
        _, project, _, region = request["parent"].split("/")
        return Handle(platform=self.name, job_id=token, place={"project": project, "region": region})

    def find(self, token: str) -> Handle | None:
        try:
            self._get(self._handle(token))
        except NotThere:
            return None
        return self._handle(token)

    def state(self, handle: Handle) -> JobState:
        try:
            batch = self._get(handle)
        except NotThere as gone:
            return JobState(state=State.UNKNOWN, detail=str(gone), logs=self.page(handle))
        return self._told(batch, handle)

    def cancel(self, handle: Handle) -> None:
        try:
            batch = self._get(handle)
            if self._told(batch, handle).ending:
                return
            # A batch that runs cannot be deleted; what made it can be cancelled.
            with unless_ending(self, handle), asking("dataproc.operations.cancel", job=True):
                self._client.cancel_operation({"name": batch.operation}, timeout=google.TIMEOUT)
        except NotThere:
            return

    def outlook(self) -> Iterator[Outlook]:
        yield from batches(self._place)
        yield from of_batches(self._regions(), self._projects(), self._place)

    def page(self, handle: Handle) -> str:
        return google.console(handle.place, "batches", handle.job_id)

    def _get(self, handle: Handle) -> Any:
        name = f"projects/{handle.place['project']}/locations/{handle.place['region']}/batches/{handle.job_id}"
        with asking("dataproc.batches.get", job=True):
            return self._client.get_batch(request={"name": name}, timeout=google.TIMEOUT, retry=None)

    def _told(self, batch: Any, handle: Handle) -> JobState:
        state = _STATES.get(batch.state.name, State.UNKNOWN)
        failure, hint = of_dataproc_batch(batch.state_message) if state is State.FAILED else (None, "")
        usage = _usage(batch.runtime_info.approximate_usage)
        return JobState(
            state=state,
            detail=batch.state_message,
            failure=failure,
            hint=hint,
            usage=usage,
            cost_usd=priced(usage, self._place.prices),
            logs=batch.runtime_info.output_uri or self.page(handle),
            cancelling=batch.state.name == "CANCELLING",
        )

    def _batch(self, job: SparkJob) -> dict[str, Any]:
        place = self._place
        execution: dict[str, Any] = {"ttl": {"seconds": job.timeout_minutes * 60}}
        execution |= {"service_account": place.service_account} if place.service_account else {}
        execution |= {"subnetwork_uri": place.subnetwork} if place.subnetwork else {}
        execution |= {"network_tags": place.network_tags} if place.network_tags else {}
        runtime: dict[str, Any] = {"version": place.runtime_version, "properties": self._properties(job)}
        return {
            "pyspark_batch": {
                "main_python_file_uri": job.entry,
                "args": list(job.arguments),
                "python_file_uris": list(job.packages),
                "file_uris": list(job.files),
                "archive_uris": google.archives(place.python_archive),
            },
            "labels": google.labels(job.labels),
            "runtime_config": runtime | ({"container_image": place.image} if place.image else {}),
            "environment_config": {"execution_config": execution},
        }

    def _properties(self, job: SparkJob) -> dict[str, str]:
        archive, python = self._place.python_archive, self._place.python
        chosen = google.interpreter(archive=archive, python=python, driver="spark.dataproc.driverEnv.")
        return google.settings(job) | chosen

    def _handle(self, token: str) -> Handle:
        place = {"project": self._place.project, "region": self._place.region}
        return Handle(platform=self.name, job_id=token, place=place)


def _usage(told: Any) -> dict[str, float]:
    """Data compute units and shuffle storage, in hours of each."""
    hours = {"DCUHour": told.milli_dcu_seconds / 3.6e6, "shuffleStorageGBHour": told.shuffle_storage_gb_seconds / 3600}
    return {unit: amount for unit, amount in hours.items() if amount}
