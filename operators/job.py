"""`JobStageOperator`: a stage whose heavy part runs where the environment's file says; no worker waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink, conf

from operators.base import StageOperator
from operators.errors import PlatformRefused
from operators.links import JobLink, ModelPageLink
from operators.platforms import HookClients, connected_platform
from operators.triggers import JobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from pressrun.compute.run import StepJob
    from pressrun.jobs import ExternalJob
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class JobStageOperator(StageOperator):
    """Runs a stage whose heavy part may be a job elsewhere: Spark's, or a pod.

    The stage begins in the task: what has finished, was done by another run or has nothing to do needs no job. The job
    is started once, whatever dies when: a retry goes on with it, and it is started again only when it is known to have
    ended. Killing or clearing the task cancels it.

    :param aws_conn_id: connection for EMR; by default the one in the environment's file (aws_default)
    :param gcp_conn_id: connection for Dataproc; by default the one in the environment's file (google_cloud_default)
    :param kubernetes_conn_id: connection for Kubernetes; by default the one in the file (kubernetes_default)
    :param deferrable: wait in the triggerer; else in the worker
    :param poll_seconds: how often the job is looked at
    :param patience_seconds: how long the platform may be out of reach before the task fails; a retry goes on
    """

    template_fields: Sequence[str] = (
        *StageOperator.template_fields,
        "aws_conn_id",
        "gcp_conn_id",
        "kubernetes_conn_id",
    )
    operator_extra_links: tuple[BaseOperatorLink, ...] = (JobLink(), ModelPageLink())

    def __init__(
        self,
        *,
        aws_conn_id: str | None = None,
        gcp_conn_id: str | None = None,
        kubernetes_conn_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_seconds: float = 10,
        patience_seconds: float = 600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.gcp_conn_id = gcp_conn_id
        self.kubernetes_conn_id = kubernetes_conn_id
        self.deferrable = deferrable
        self.poll_seconds = poll_seconds
        self.patience_seconds = patience_seconds
        self._job: StepJob | None = None
        self._instance: Any = None

    def execute(self, context: Context) -> Any:
        step, self._instance = self.step(context), context.get("ti")
        result = self._here(step)
        if result is None:
            result = self._elsewhere(step)
        return self.conclude(result, step, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on after the job has ended. Raises ComputeError, and PollingFailed when the platform did not answer."""
        from pressrun.compute import PollingFailed

        if event.get("unreachable"):
            raise PollingFailed(
                event["unreachable"], hint="Where the job was started it goes on; a retry of the task finds it"
            )
        step, self._instance = self.step(context), context.get("ti")
        job = self._job_of(step)
        entered = job.jobs.ledger.newest(job.key)
        if entered is None or not entered.ended:
            return self.execute(context)
        return self.conclude(self._concluded(job, entered, step), step, context)

    def conclude(self, result: StageResult, step: Step, context: Context) -> dict[str, Any]:
        page = self.links.get("job")
        told = super().conclude(result, step, context)
        if page:
            self.links["job"] = page
        return told

    def on_kill(self) -> None:
        if self._job is not None:
            self._job.jobs.cancel(self._job.key)
        super().on_kill()

    def _here(self, step: Step) -> StageResult | None:
        """What the stage comes to in this process; None when it needs the platform."""
        from pressrun.compute import NeedsPlatform

        try:
            return self.carry_out(step)
        except NeedsPlatform:
            return None

    def _elsewhere(self, step: Step) -> StageResult:
        from pressrun.compute.run import wait

        job = self._job = self._job_of(step)
        entered = self._attached(job)
        if self.deferrable and not entered.ended:
            self.defer(trigger=self._trigger(step), method_name="execute_complete")
        patience = timedelta(seconds=self.patience_seconds)
        entered = wait(job, entered, poll_seconds=self.poll_seconds, patience=patience)
        return self._concluded(job, entered, step)

    def _attached(self, job: StepJob) -> ExternalJob:
        from pressrun.compute import ConfigurationFailed
        from pressrun.compute.watch import handle_of

        try:
            entered = job.attach()
        except ConfigurationFailed as error:
            raise PlatformRefused(str(error)) from error
        self.links["job"] = job.jobs.platform.page(handle_of(entered))
        self.log.info("Job %s on %s: %s", entered.token, entered.platform, self.links["job"] or entered.logs)
        self._tell(job, entered)
        return entered

    def _concluded(self, job: StepJob, entered: ExternalJob, step: Step) -> StageResult:
        from pressrun.compute import ConfigurationFailed
        from pressrun.compute.run import concluded
        from pressrun.compute.watch import handle_of, in_words

        self.links["job"] = job.jobs.platform.page(handle_of(entered))
        self.log.info("%s", in_words(entered))
        self._tell(job, entered)
        try:
            return concluded(job, entered, lambda: self.work(step))
        except ConfigurationFailed as error:
            raise PlatformRefused(str(error)) from error

    def _tell(self, job: StepJob, entered: ExternalJob) -> None:
        """The job as the task's XCom `job`, where people see what it took and cost."""
        from pressrun.compute.watch import told

        if self._instance is not None:
            self._instance.xcom_push("job", told(entered, self.links["job"]))

    def _job_of(self, step: Step) -> StepJob:
        from pressrun.compute import ConfigurationFailed
        from pressrun.compute.run import StepJob

        try:
            platform = connected_platform(step.environment, self._clients(), stage=self.stage)
        except ConfigurationFailed as error:
            raise PlatformRefused(str(error)) from error
        upstream = [self.result(name) for name in self.needs]
        return StepJob.of(step, stage=self.stage, upstream=upstream, platform=platform)

    def _clients(self) -> HookClients:
        return HookClients(
            aws_conn_id=self.aws_conn_id, gcp_conn_id=self.gcp_conn_id, kubernetes_conn_id=self.kubernetes_conn_id
        )

    def _trigger(self, step: Step) -> JobTrigger:
        return JobTrigger(
            environment=self.environment,
            step_key=str(step.key),
            stage=self.stage,
            aws_conn_id=self.aws_conn_id,
            gcp_conn_id=self.gcp_conn_id,
            kubernetes_conn_id=self.kubernetes_conn_id,
            poll_seconds=self.poll_seconds,
            patience_seconds=self.patience_seconds,
        )
