"""A stage's job elsewhere: started once, found again by every later try, watched to its end.

The order of writes is what makes a death at any moment harmless: intent, fence, submit, handle, states.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import uuid4

from pressrun import tracing
from pressrun.compute.elsewhere import NeedsPlatform
from pressrun.compute.fence import next_fence, raise_fence
from pressrun.compute.job import make_job
from pressrun.compute.order import digest_of_inputs
from pressrun.compute.platform import (
    ComputePlatform,
    ConfigurationFailed,
    Handle,
    JobFailed,
    PollingFailed,
    State,
    failure_of,
    make_token,
)
from pressrun.compute.watch import LISTED, Jobs, Watch, handle_of, in_words, state_of
from pressrun.environments import runtime_of
from pressrun.jobs import ExternalJob
from pressrun.lake.types import StageResult
from pressrun.step import Step

log = logging.getLogger(__name__)
# A submit takes seconds; who holds the right to it for longer has died.
_LEASE = timedelta(minutes=3)
_CANCELLED_WITHIN = timedelta(minutes=5)
_LOOK_AGAIN = 0.5


@dataclass(frozen=True, kw_only=True)
class StepJob:
    """The job of one step's stage on a platform. `upstream`: what the stages before handed on, in the stage's order."""

    step: Step
    stage: str
    upstream: Sequence[StageResult]
    jobs: Jobs
    holder: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def of(cls, step: Step, *, stage: str, upstream: Sequence[StageResult], platform: ComputePlatform) -> StepJob:
        """The job of a step in its environment's ledger."""
        return cls(step=step, stage=stage, upstream=upstream, jobs=Jobs.of(step.environment, platform))

    @property
    def key(self) -> str:
        return str(self.step.key)

    @cached_property
    def inputs(self) -> str:
        told = digest_of_inputs(self.step, stage=self.stage, upstream=self.upstream)
        runtime = runtime_of(self.step.environment, self.stage)
        return hashlib.sha256(f"{told} {runtime}".encode()).hexdigest() if runtime else told

    def attach(self) -> ExternalJob:
        """The step's job, accepted by the platform: the one that an earlier try started, else a new one.

        A job that is seen to have ended is followed by one of the next generation, and so is one with other inputs,
        which is cancelled first. One that has left its result in the lake since the stage looked there is handed back.
        Raises ComputeError; OSError when what the job needs cannot be uploaded.
        """
        self.jobs.reap()
        last = self.jobs.ledger.newest(self.key)
        if last is not None and last.live:
            last = self._settled(last)
        if last is not None and last.state == State.SUCCEEDED and self.step.lake.finished(self.step.key):
            return last
        self.jobs.tidy()
        job = self.jobs.ledger.intend(
            step_key=self.key,
            pipeline=self.step.pipeline.model,
            stage=self.stage,
            inputs=self.inputs,
            platform=self.jobs.platform.name,
            fence=next_fence(self.step, first=last is None),
            trace=tracing.carried().get(tracing.PARENT, ""),
            token=lambda generation: make_token(step_key=self.key, inputs=self.inputs, generation=generation),
        )
        return job if job.handle else self._submitted(job)

    def _settled(self, last: ExternalJob) -> ExternalJob:
        """What has become of the live job: it goes on, has ended, or gives way to one with other inputs."""
        if last.platform != self.jobs.platform.name:
            log.warning("%s's job %s stays on %s, where nobody waits for it", self.key, last.token, last.platform)
            return self.jobs.ledger.abandon(last)
        found = handle_of(last) if last.handle else self.jobs.platform.find(last.token)
        if found is None:
            return last if last.inputs == self.inputs else self.jobs.ledger.abandon(last)
        seen = self.jobs.look(self.jobs.ledger.accepted(last, found.as_json()))
        return seen if seen.ended or seen.inputs == self.inputs else self._ended(seen)

    def _ended(self, last: ExternalJob) -> ExternalJob:
        """Cancels a job and waits until the platform says that it has ended."""
        self.step.progress(f"cancelling {last.token}, which was started with other inputs")
        platform, handle = self.jobs.platform, handle_of(last)
        platform.cancel(handle)
        deadline = time.monotonic() + _CANCELLED_WITHIN.total_seconds()
        while not (seen := self.jobs.look(last)).ended:
            if time.monotonic() > deadline:
                hint = f"Retry later, or end it by hand: {platform.page(handle) or last.token}"
                raise PollingFailed(f"{last.token} was cancelled on {last.platform}, and has not ended", hint=hint)
            time.sleep(_LOOK_AGAIN)
        return seen

    def _submitted(self, job: ExternalJob) -> ExternalJob:
        """The intent with a handle: submitted by this try, or by another one meanwhile."""
        ledger = self.jobs.ledger
        while (stood := ledger.take(job, holder=self.holder, lasting=_LEASE)) is None:
            now = ledger.newest(self.key)
            if now is None or now.generation != job.generation or now.handle or not now.live:
                return self.attach()
            time.sleep(_LOOK_AGAIN)
        try:
            return ledger.accepted(job, self._accepted(stood).as_json())
        finally:
            ledger.release(job, holder=self.holder)

    def _accepted(self, stood: ExternalJob) -> Handle:
        platform = self.jobs.platform
        if stood.generation:
            raise_fence(self.step, stood.fence)
        # An earlier try may have been answered, and have died before it wrote that down.
        if stood.attempts and (found := platform.find(stood.token)) is not None:
            return found
        # A service that knows the token wants the same words with it, whatever was edited or released meanwhile.
        request = stood.request or platform.request(make_job(self.step, stood, self.upstream), stood.token)
        asked = self.jobs.ledger.asking(stood, request)
        assert asked.request is not None
        try:
            return platform.submit(asked.request, asked.token)
        except ConfigurationFailed as refused:
            self._refused(stood, refused)
            raise

    def _refused(self, stood: ExternalJob, refused: ConfigurationFailed) -> None:
        """An end, but for a job that was asked for before: it may run, and not be listed yet."""
        ledger = self.jobs.ledger
        if stood.asked_at is None:
            told = {"detail": refused.reason, "failure": refused.kind, "hint": refused.hint}
            ledger.seen(stood, state=State.FAILED.value, **told)
        elif datetime.now(UTC) - stood.asked_at < LISTED:
            ledger.refused(stood)
        else:
            ledger.abandon(stood)


def run_elsewhere(
    make: Callable[[], StepJob], work: Callable[[], StageResult], *, poll_seconds: float = 5
) -> StageResult:
    """Does the stage's work here, or in a job as soon as it needs the platform; waits for its end.

    Whoever dies here leaves the job going on, and the next call goes on with it. Raises ComputeError.
    """
    try:
        return work()
    except NeedsPlatform:
        job = make()
    return concluded(job, wait(job, job.attach(), poll_seconds=poll_seconds), work)


def wait(
    job: StepJob, entered: ExternalJob, *, poll_seconds: float, patience: timedelta = timedelta(minutes=10)
) -> ExternalJob:
    """The job once it has ended; progress is told on the way. Raises PollingFailed after the patience."""
    watch, told = Watch(jobs=job.jobs, patience=patience), ""
    while not (entered := watch.look(entered)).ended:
        if (words := in_words(entered)) != told:
            job.step.progress(words)
            told = words
        time.sleep(poll_seconds)
    return entered


def concluded(job: StepJob, entered: ExternalJob, work: Callable[[], StageResult]) -> StageResult:
    """What the ended job has left in the lake. Raises its failure as ComputeError."""
    job.jobs.reap()
    if (failure := failure_of(state_of(entered), platform=entered.platform)) is not None:
        raise failure
    try:
        return work()
    except NeedsPlatform:
        reason = f"the job on {entered.platform} ended well, and the lake has no result of {job.key}"
        hint = f"Its driver's log says what it did: {entered.logs or 'on ' + entered.platform}. A retry starts it again"
        raise JobFailed(reason, hint=hint) from None
