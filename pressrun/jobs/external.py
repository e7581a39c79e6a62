"""The ledger of jobs that run elsewhere: what is to be started is written down before anybody is asked to start it.

A step has one job at a time. Its token is made from the step's key, its inputs and its generation, so every try asks
for the same job; the next generation begins only when the one before is known to have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, insert, or_, select, update

from pressrun.jobs.database import clock, reading, writing
from pressrun.jobs.tables import EXTERNAL_JOBS as J

INTENDED = "intended"
"""Written down; whether a platform has accepted it is not known."""
ABANDONED = "abandoned"
"""Never found, and nobody waits for it any more: should it start after all, it is cancelled, and cannot commit."""
_ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class ExternalJob:
    """One job of a step. `fence` is the lake's generation of the step that it may commit in.

    `trace` is the W3C traceparent of whoever intended it; every try gives the job the same. `request` is what the
    platform is asked for, in the same words by every try; `asked_at` when it was last asked without a refusal.
    """

    step_key: str
    generation: int
    pipeline: str
    stage: str
    token: str
    inputs: str
    platform: str
    fence: int
    trace: str
    request: dict[str, Any] | None
    handle: dict[str, Any] | None
    state: str
    detail: str
    failure: str | None
    hint: str
    progress: float | None
    cost_usd: float | None
    logs: str
    attempts: int
    intended_at: datetime
    asked_at: datetime | None
    submitted_at: datetime | None
    seen_at: datetime | None
    ended_at: datetime | None
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended."""
        return self.state in _ENDED

    @property
    def live(self) -> bool:
        """Whether a try goes on with it."""
        return not self.ended and self.state != ABANDONED


class ExternalJobs:
    """Jobs elsewhere, of every pipeline."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, step_key: str) -> ExternalJob | None:
        """The step's job of the highest generation."""
        with reading(self._engine) as connection:
            return _newest(connection, step_key)

    def intend(
        self,
        *,
        step_key: str,
        pipeline: str,
        stage: str,
        inputs: str,
        platform: str,
        fence: int,
        trace: str = "",
        token: Callable[[int], str],
    ) -> ExternalJob:
        """The step's live job, as it was written down; where there is none, a new one of the next generation.

        `token` makes its token from the generation. However many tries ask at once, they get the same job.
        """
        with writing(self._engine, lock=f"job of {step_key}") as connection:
            last = _newest(connection, step_key)
            if last is not None and last.live:
                return last
            generation = last.generation + 1 if last else 0
            own = {"token": token(generation), "inputs": inputs, "platform": platform, "fence": fence, "trace": trace}
            known = {"step_key": step_key, "generation": generation, "pipeline": pipeline, "stage": stage}
            blank = {"state": INTENDED, "detail": "", "hint": "", "logs": "", "usage": {}, "attempts": 0}
            connection.execute(insert(J).values({**known, **own, **blank, "intended_at": datetime.now(UTC)}))
            made = _newest(connection, step_key)
        assert made is not None
        return made

    def take(
        self, job: ExternalJob, *, holder: str, lasting: timedelta, now: datetime | None = None
    ) -> ExternalJob | None:
        """The job as it stood, which `holder` alone may submit for a while. None: another try does, or has."""
        with writing(self._engine, lock=f"job of {job.step_key}") as connection:
            at = now or clock(connection)
            free = or_(J.c.holder.is_(None), J.c.holder == holder, J.c.held_until <= at)
            mine = and_(_is(job), J.c.state == INTENDED, J.c.handle.is_(None), free)
            held = {"holder": holder, "held_until": at + lasting, "attempts": J.c.attempts + 1}
            stood = _job(connection.execute(select(J).where(_is(job))).one())
            return stood if connection.execute(update(J).where(mine).values(held)).rowcount else None

    def release(self, job: ExternalJob, *, holder: str) -> None:
        """Lets another try submit it."""
        self._write(job, {"holder": None, "held_until": None}, J.c.holder == holder)

    def asking(self, job: ExternalJob, request: Mapping[str, Any]) -> ExternalJob:
        """Records that the platform is asked now. The first try's request stands: `request` of the job."""
        self._write(job, {"request": dict(request)}, J.c.request.is_(None))
        return self._write(job, {"asked_at": datetime.now(UTC)}, J.c.state == INTENDED)

    def refused(self, job: ExternalJob) -> ExternalJob:
        """Records that asking came to nothing: when it was asked last is what `job`, as it stood before, says."""
        return self._write(job, {"asked_at": job.asked_at}, J.c.state == INTENDED)

    def accepted(self, job: ExternalJob, handle: Mapping[str, Any]) -> ExternalJob:
        """Records the handle that the platform gave."""
        free = {"holder": None, "held_until": None}
        fresh = {"state": "submitted", "handle": dict(handle), "submitted_at": datetime.now(UTC), **free}
        return self._write(job, fresh, J.c.handle.is_(None))

    def seen(self, job: ExternalJob, **values: Any) -> ExternalJob:
        """Records how it stands: any of ExternalJob's fields from `state` to `logs`. What has ended stays ended."""
        now = datetime.now(UTC)
        over = {"ended_at": now, "holder": None, "held_until": None} if values.get("state") in _ENDED else {}
        return self._write(job, {**values, **over, "seen_at": now}, J.c.state.not_in(_ENDED))

    def abandon(self, job: ExternalJob) -> ExternalJob:
        """Gives up waiting for a job that its platform does not list, or that is on one that nobody can ask."""
        return self._write(job, {"state": ABANDONED}, J.c.state.not_in(_ENDED))

    def abandoned(self, platform: str, *, since: datetime) -> list[ExternalJob]:
        """The platform's jobs, of whatever step, that were asked for since then and may yet start."""
        may = and_(J.c.platform == platform, J.c.state == ABANDONED, J.c.asked_at >= since)
        with reading(self._engine) as connection:
            rows = connection.execute(select(J).where(may)).all()
        return [_job(row) for row in rows]

    def of_pipeline(self, pipeline: str) -> list[ExternalJob]:
        """The pipeline's jobs, the newest first."""
        with reading(self._engine) as connection:
            found = select(J).where(J.c.pipeline == pipeline).order_by(J.c.intended_at.desc())
            return [_job(row) for row in connection.execute(found).all()]

    def ended(self, platform: str, *, since: datetime, until: datetime) -> list[ExternalJob]:
        """The platform's jobs that were seen to end in that time and had been accepted."""
        then = and_(J.c.platform == platform, J.c.ended_at >= since, J.c.ended_at < until)
        with reading(self._engine) as connection:
            found = [_job(row) for row in connection.execute(select(J).where(then)).all()]
        return [job for job in found if job.handle]

    def _write(self, job: ExternalJob, values: Mapping[str, Any], only: Any) -> ExternalJob:
        """The job as it is afterwards, whether or not `only` let it be written."""
        with writing(self._engine, lock=f"job of {job.step_key}") as connection:
            connection.execute(update(J).where(_is(job), only).values(dict(values)))
            return _job(connection.execute(select(J).where(_is(job))).one())


def _is(job: ExternalJob) -> Any:
    return and_(J.c.step_key == job.step_key, J.c.generation == job.generation)


def _newest(connection: Connection, step_key: str) -> ExternalJob | None:
    found = select(J).where(J.c.step_key == step_key).order_by(J.c.generation.desc()).limit(1)
    row = connection.execute(found).one_or_none()
    return _job(row) if row else None


def _job(row: Row[Any]) -> ExternalJob:
    return ExternalJob(**{name: getattr(row, name) for name in ExternalJob.__dataclass_fields__})
