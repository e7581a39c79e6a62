"""Amazon EMR Serverless. Submit-once by `clientToken`; a lost handle is found by the job run's name, the token.

API: https://docs.aws.amazon.com/emr-serverless/latest/APIReference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pressrun.compute.aws import NotThere, asking, python_settings, settings, submit_parameters
from pressrun.compute.failures import of_emr_serverless
from pressrun.compute.labels import aws_tags
from pressrun.compute.outlook import Outlook, absent, application, unseen
from pressrun.compute.platform import ComputeError, Handle, JobState, SparkJob, State, priced, unless_ending
from pressrun.compute.quotas import of_account
from pressrun.config.spark import EmrServerless

_STATES = {
    "SUBMITTED": State.SUBMITTED,
    "QUEUED": State.QUEUED,
    "PENDING": State.QUEUED,
    "SCHEDULED": State.QUEUED,
    "RUNNING": State.RUNNING,
    "CANCELLING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


class EmrServerlessPlatform:
    """Job runs of one application. `client`: boto3's of emr-serverless; `quotas` makes that of service-quotas."""

    name = "emr_serverless"

    def __init__(self, place: EmrServerless, client: Any, *, quotas: Callable[[], Any]) -> None:
        self._place, self._client, self._quotas = place, client, quotas

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        with asking("emr-serverless:StartJobRun"):
            started = self._client.start_job_run(**request)
        return self._handle(started["jobRunId"], application=request["applicationId"])

    def find(self, token: str) -> Handle | None:
        with asking("emr-serverless:ListJobRuns"):
            pages = self._client.get_paginator("list_job_runs").paginate(applicationId=self._place.application_id)
            found = (run["id"] for page in pages for run in page["jobRuns"] if run.get("name") == token)
            run_id = next(found, None)
        return self._handle(run_id, application=self._place.application_id) if run_id else None

    def state(self, handle: Handle) -> JobState:
        try:
            with asking("emr-serverless:GetJobRun", job=True):
                run = self._client.get_job_run(**self._named(handle))["jobRun"]
        except NotThere as gone:
            return JobState(state=State.UNKNOWN, detail=str(gone), logs=self._logs(handle))
        return self._told(run, handle)

    def cancel(self, handle: Handle) -> None:
        if self.state(handle).ending:
            return
        try:
            with unless_ending(self, handle), asking("emr-serverless:CancelJobRun", job=True):
                self._client.cancel_job_run(**self._named(handle))
        except NotThere:
            return

    def outlook(self) -> Iterator[Outlook]:
        try:
            with asking("emr-serverless:GetApplication", job=True):
                told = self._client.get_application(applicationId=self._place.application_id)["application"]
        except NotThere as gone:
            yield absent("application", gone)
        except ComputeError as error:
            yield unseen("application", error)
        else:
            yield from application(told, self._place)
        yield from of_account(self._quotas(), self._place)

    def page(self, handle: Handle) -> str:
        region, application = handle.place["region"], handle.place["application_id"]
        console = f"https://{region}.console.aws.amazon.com/emr/home?region={region}"
        return f"{console}#/serverless-applications/{application}/{handle.job_id}"

    def _told(self, run: Mapping[str, Any], handle: Handle) -> JobState:
        state, detail = _STATES.get(run["state"], State.UNKNOWN), run.get("stateDetails", "")
        failure, hint = of_emr_serverless(detail) if state is State.FAILED else (None, "")
        usage = {k: float(v) for k, v in run.get("billedResourceUtilization", {}).items()}
        cost = priced(usage, self._place.prices)
        return JobState(
            state=state,
            detail=detail,
            failure=failure,
            hint=hint,
            usage=usage,
            cost_usd=cost,
            logs=self._logs(handle),
            cancelling=run["state"] == "CANCELLING",
        )

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        driver = {
            "entryPoint": job.entry,
            "entryPointArguments": list(job.arguments),
            "sparkSubmitParameters": submit_parameters(job),
        }
        defaults = {"classification": "spark-defaults", "properties": settings(job) | self._python()}
        overrides: dict[str, Any] = {"applicationConfiguration": [defaults]}
        if self._place.log_uri:
            overrides["monitoringConfiguration"] = {"s3MonitoringConfiguration": {"logUri": self._place.log_uri}}
        return {
            "applicationId": self._place.application_id,
            "clientToken": token,
            "name": token,
            "executionRoleArn": self._place.execution_role_arn,
            "jobDriver": {"sparkSubmit": driver},
            "configurationOverrides": overrides,
            "tags": aws_tags(job.labels),
            "executionTimeoutMinutes": job.timeout_minutes,
        }

    def _python(self) -> dict[str, str]:
        return python_settings(
            archive=self._place.python_archive,
            python=self._place.python,
            driver="spark.emr-serverless.driverEnv.",
            executor="spark.executorEnv.",
        )

    def _handle(self, run_id: str, *, application: str) -> Handle:
        place = {"application_id": application, "region": self._place.region}
        return Handle(platform=self.name, job_id=run_id, place=place)

    def _named(self, handle: Handle) -> dict[str, str]:
        return {"applicationId": handle.place["application_id"], "jobRunId": handle.job_id}

    def _logs(self, handle: Handle) -> str:
        """Where the driver's output lies, as EMR Serverless names it below the log URI; else the console."""
        if self._place.log_uri is None:
            return self.page(handle)
        below = f"applications/{handle.place['application_id']}/jobs/{handle.job_id}/SPARK_DRIVER/stdout.gz"
        return f"{self._place.log_uri.rstrip('/')}/{below}"
