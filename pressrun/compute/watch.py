"""Jobs that were started: how they stand, their end, and those that nobody waits for any more."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pressrun.compute.platform import (
    ComputeError,
    ComputePlatform,
    Handle,
    JobState,
    LeavesBehind,
    PollingFailed,
    State,
)
from pressrun.config.environment import Environment
from pressrun.jobs import ExternalJob, ExternalJobs, open_database

log = logging.getLogger(__name__)
LISTED = timedelta(minutes=10)
"""A platform lists what it has accepted within seconds, at worst within these minutes."""
# Of a job that has ended the pod stays for a day, for its log, and is asked to go for some nights.
_KEPT_FOR, _TIDIED_BY = timedelta(days=1), timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The ledger, and the platform that it is about."""

    ledger: ExternalJobs
    platform: ComputePlatform

    @classmethod
    def of(cls, environment: Environment, platform: ComputePlatform) -> Jobs:
        """Those of an environment."""
        return cls(ledger=ExternalJobs(open_database(environment.database)), platform=platform)

    def look(self, job: ExternalJob) -> ExternalJob:
        """Asks the platform how the job stands and writes it down. Raises PollingFailed."""
        state = self.platform.state(handle_of(job))
        if state.state is State.UNKNOWN and _long_ago(job):
            told = "the platform lists it no more; somebody has deleted it"
            state = JobState(state=State.CANCELLED, detail=told, logs=state.logs)
        if state.state is State.UNKNOWN:
            return job
        known = {name: getattr(state, name) for name in ("detail", "failure", "hint", "progress", "cost_usd", "logs")}
        return self.ledger.seen(job, state=state.state.value, usage=dict(state.usage), **known)

    def cancel(self, step_key: str) -> None:
        """Has the platform end the step's live job, if there is one. Raises ComputeError."""
        job = self.ledger.newest(step_key)
        if job is None or not job.live or job.platform != self.platform.name:
            return
        if (handle := self._handle(job)) is not None:
            self.platform.cancel(handle)

    def reap(self, *, asked_within: timedelta = _TIDIED_BY) -> None:
        """Cancels jobs in whose place others were started, as soon as the platform lists them; those of every step."""
        for job in self.ledger.abandoned(self.platform.name, since=datetime.now(UTC) - asked_within):
            try:
                self._reaped(job)
            except ComputeError as error:
                log.warning("cannot end %s, which may not commit any more: %s", job.token, error)

    def tidy(self, now: datetime | None = None) -> int:
        """Takes away what is left of jobs that ended more than a day ago; of how many. What fails waits for tomorrow.

        Jobs of weeks ago are not asked for again: they were tidied by many nights since.
        """
        at, platform = now or datetime.now(UTC), self.platform
        if not isinstance(platform, LeavesBehind):
            return 0
        old = self.ledger.ended(platform.name, since=at - _TIDIED_BY, until=at - _KEPT_FOR)
        try:
            for job in old:
                platform.remove(handle_of(job))
        except ComputeError as error:
            log.warning("cannot take away what is left of jobs that have ended: %s", error)
        return len(old)

    def _reaped(self, job: ExternalJob) -> None:
        if (handle := self._handle(job)) is not None:
            self.platform.cancel(handle)
            self.ledger.seen(job, state=State.CANCELLED.value, detail="another job has taken its place")

    def _handle(self, job: ExternalJob) -> Handle | None:
        return handle_of(job) if job.handle else self.platform.find(job.token)


@dataclass(kw_only=True)
class Watch:
    """Looks at a job from time to time, through a platform that cannot be asked for a while of `patience`."""

    jobs: Jobs
    patience: timedelta = timedelta(minutes=10)
    _failing_since: float | None = None

    def look(self, entered: ExternalJob) -> ExternalJob:
        """How it stands; as before while the platform does not answer. Raises PollingFailed after the patience."""
        self.jobs.reap(asked_within=LISTED)
        try:
            seen = self.jobs.look(entered)
        except PollingFailed as error:
            now = time.monotonic()
            self._failing_since = self._failing_since or now
            if now - self._failing_since >= self.patience.total_seconds():
                raise
            log.warning("cannot ask for %s: %s. Asking again", entered.token, error)
            return entered
        self._failing_since = None
        return seen


def handle_of(job: ExternalJob) -> Handle:
    """The handle in the ledger."""
    assert job.handle is not None
    return Handle(**job.handle)


def state_of(job: ExternalJob) -> JobState:
    """The state in the ledger."""
    names = ("detail", "failure", "hint", "progress", "usage", "cost_usd", "logs")
    return JobState(state=State(job.state), **{name: getattr(job, name) for name in names})


def in_words(job: ExternalJob) -> str:
    """One line on a job."""
    share = f", {job.progress:.0%}" if job.progress is not None else ""
    cost = f", {job.cost_usd:.2f} USD" if job.cost_usd is not None else ""
    return f"{job.stage} on {job.platform}: {job.state}{share}{cost}{f' ({job.detail})' if job.detail else ''}"


def told(job: ExternalJob, page: str) -> dict[str, Any]:
    """What people want to know of a job, as JSON: where it is, how it stands, how long it took, what it cost.

    `usage` is what the platform bills, in its own units; `cost_usd` that at the environment's prices, else None.
    """
    began, ended = job.submitted_at, job.ended_at
    return {
        "platform": job.platform,
        "job": job.token,
        "state": job.state,
        "progress": job.progress,
        "seconds": round((ended - began).total_seconds()) if began and ended else None,
        "usage": dict(job.usage),
        "cost_usd": job.cost_usd,
        "page": page,
        "logs": job.logs,
    }


def _long_ago(job: ExternalJob) -> bool:
    return job.submitted_at is not None and datetime.now(UTC) - job.submitted_at > LISTED
