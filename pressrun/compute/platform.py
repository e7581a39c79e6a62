"""Where Spark jobs run: one protocol, an adapter a platform. `submit` starts at most one job a token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from pressrun.config.spark import SparkResources

PREFIX = "pressrun-"


class State(StrEnum):
    """Where a job stands. `unknown`: the platform does not list it (yet, or any more)."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class ComputeError(Exception):
    """What goes wrong with a job elsewhere. `hint` says what to do about it."""

    kind: ClassVar[str] = "platform"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(f"{reason.rstrip('.')}. {hint}")
        self.reason, self.hint = reason, hint


class ConfigurationFailed(ComputeError):
    """The request was refused: a name, a right or a setting is wrong. A retry without an edit does not help."""

    kind = "configuration"


class JobFailed(ComputeError):
    """The job ran and failed by itself. A retry starts it again; it helps where data or memory were the cause."""

    kind = "job"


class PollingFailed(ComputeError):
    """The platform could not be asked, so how the job stands is not known. A retry goes on with the same job."""

    kind = "polling"


class PlatformFailed(ComputeError):
    """The platform could not run the job: capacity, quota, a lost node. A retry helps."""

    kind = "platform"


FAILURES: Mapping[str, type[ComputeError]] = {
    kind.kind: kind for kind in (ConfigurationFailed, JobFailed, PollingFailed, PlatformFailed)
}


@dataclass(frozen=True, kw_only=True)
class SparkJob:
    """One job: URIs that name their content by digest, the driver's arguments, Spark's settings, what it may take."""

    name: str
    entry: str
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    conf: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: SparkResources = field(default_factory=SparkResources)
    timeout_minutes: int = 360


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A job that a platform has accepted: its id there and where that is. Kept as JSON in the ledger."""

    platform: str
    job_id: str
    place: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class JobState:
    """How a job stands: in the platform's words, too; `failure` is the kind of a failure, `hint` what to do about it.

    `progress` is a share of 1, `usage` what the platform bills in its own units, `cost_usd` that at the environment's
    prices; each None or empty where the platform does not say. `logs` is the address of the driver's log.
    """

    state: State
    detail: str = ""
    failure: str | None = None
    hint: str = ""
    progress: float | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
    cost_usd: float | None = None
    logs: str = ""
    cancelling: bool = False

    @property
    def ending(self) -> bool:
        """Whether it has ended, or somebody has asked for that."""
        return self.state.ended or self.cancelling


class ComputePlatform(Protocol):
    """What runs jobs. Every method raises ComputeError; PollingFailed says that the outcome is not known."""

    @property
    def name(self) -> str:
        """The `kind` of the environment's platform."""
        ...

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        """What the service is asked for, all of it, as JSON. Asks nobody."""
        ...

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        """Starts the job, or finds the one that was started with this token before, whoever did it and when.

        `request`: what `request` made for the token the first time; services refuse a token with another one. The job
        is where the request says, though the environment's file may say otherwise by now.
        """
        ...

    def find(self, token: str) -> Handle | None:
        """The job that was started with this token; None where the platform lists none (which may be too early)."""
        ...

    def state(self, handle: Handle) -> JobState:
        """How the job stands now."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Asks the platform to end it. A job that has ended, or is gone, is no error."""
        ...

    def page(self, handle: Handle) -> str:
        """Where people look at the job: a URL, or "" where the platform has none."""
        ...


@runtime_checkable
class LeavesBehind(Protocol):
    """A platform on which something is left of jobs that have ended, such as their pods."""

    def remove(self, handle: Handle) -> None:
        """Takes away what is left of a job that has ended. What is gone already is no error. Raises ComputeError."""
        ...


@contextmanager
def unless_ending(platform: ComputePlatform, handle: Handle) -> Iterator[None]:
    """Forgives a platform that refuses to cancel a job because it has ended meanwhile."""
    try:
        yield
    except ConfigurationFailed:
        if not platform.state(handle).ending:
            raise


def make_token(*, step_key: str, inputs: str, generation: int) -> str:
    """The name of one job: 41 characters of a-z, 0-9 and -, fit for a pod, a batch and every client token."""
    told = f"{step_key}\n{inputs}\n{generation}"
    return PREFIX + hashlib.sha256(told.encode()).hexdigest()[:32]


def failure_of(state: JobState, *, platform: str) -> ComputeError | None:
    """What to raise for a job that has ended otherwise than well."""
    if state.state is State.CANCELLED:
        reason = f"the job on {platform} was cancelled{f': {state.detail}' if state.detail else ''}"
        return JobFailed(reason, hint=state.hint or "Clear the task, or let it be retried, to start the job again")
    if state.state is not State.FAILED:
        return None
    logs = f" The driver's log: {state.logs}" if state.logs else ""
    kind = FAILURES.get(state.failure or "job", JobFailed)
    return kind(f"the job on {platform} failed: {state.detail or 'it does not say why'}", hint=f"{state.hint}{logs}")


def priced(usage: Mapping[str, float], prices: Mapping[str, float]) -> float | None:
    """USD for `usage` at `prices` a unit; None where a price is missing or nothing was billed yet."""
    if not usage or not all(unit in prices for unit in usage if usage[unit]):
        return None
    return sum(amount * prices[unit] for unit, amount in usage.items() if amount)
