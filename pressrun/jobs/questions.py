"""People's queue: an article a question, leased to one person at a time; the first answer stands."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, Row, and_, func, insert, or_, select, update

from pressrun.jobs.database import clock, reading, writing
from pressrun.jobs.tables import QUESTIONS as Q

Kind = Literal["chain", "audit"]


_ANSWER = [column for column in Q.c if column.name not in ("title", "body")]


class AnswerOutcome(StrEnum):
    """What became of an answer."""

    ACCEPTED = "accepted"
    ALREADY = "already answered"
    LEASED = "leased to someone else"
    UNKNOWN = "no such question"


@dataclass(frozen=True, kw_only=True)
class NewQuestion:
    """An article that a person shall label. `audit` questions are asked blind, and never trained on."""

    article_id: str
    kind: Kind
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a person sees: never why it is asked, nor what a machine said."""

    question_id: str
    article_id: str
    title: str
    body: str
    taxonomy_version: str
    deadline: datetime


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A person's answer; no labels means that the person could not say. `step_key` is the step that asked."""

    question_id: str
    step_key: str
    article_id: str
    kind: Kind
    taxonomy_version: str
    labels: tuple[str, ...]
    person: str
    answered_at: datetime


class Questions:
    """The queue of every pipeline."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(
        self,
        questions: Sequence[NewQuestion],
        *,
        pipeline: str,
        step_key: str,
        taxonomy_version: str,
        wait: timedelta,
        renew: bool = False,
        now: datetime | None = None,
    ) -> int:
        """Queues what this step has not asked yet. Returns how many were new.

        A retry keeps the first deadline; with `renew`, somebody else goes on where nobody waits any more, and the
        questions that are still open are waited for anew.
        """
        mine = Q.c.step_key == step_key
        with writing(self._engine, lock="questions") as connection:
            at = now or clock(connection)
            rows = connection.execute(select(Q.c.question_id, Q.c.deadline).where(mine)).all()
            known = {row.question_id for row in rows}
            deadline = max((row.deadline for row in rows), default=at + wait)
            if renew and deadline <= at:
                deadline = at + wait
                connection.execute(update(Q).where(and_(mine, Q.c.state == "open")).values(deadline=deadline))
            shared: dict[str, Any] = {"pipeline": pipeline, "step_key": step_key, "taxonomy_version": taxonomy_version}
            shared |= {"asked_at": at, "deadline": deadline}
            new = [_row(q, shared) for q in questions if question_id(step_key, q.article_id) not in known]
            if new:
                connection.execute(insert(Q), new)
        return len(new)

    def lease(
        self,
        *,
        pipeline: str,
        holder: str,
        most: int,
        lasting: timedelta,
        step_key: str | None = None,
        now: datetime | None = None,
    ) -> list[Question]:
        """Gives `holder` up to `most` questions that nobody else holds, those already held first, for `lasting`."""
        chosen = and_(Q.c.pipeline == pipeline, Q.c.state == "open")
        if step_key is not None:
            chosen = and_(chosen, Q.c.step_key == step_key)
        with writing(self._engine, lock="questions") as connection:
            at = now or clock(connection)
            order = (Q.c.holder.is_(None), Q.c.question_id)
            free = and_(chosen, _free(holder, at))
            rows = connection.execute(select(Q).where(free).order_by(*order).limit(most)).all()
            ids = [row.question_id for row in rows]
            held = update(Q).where(Q.c.question_id.in_(ids)).values(holder=holder, held_until=at + lasting)
            connection.execute(held)
        return [_question(row) for row in rows]

    def answer(
        self, *, question_id: str, person: str, labels: Sequence[str], now: datetime | None = None
    ) -> AnswerOutcome:
        """Records the first answer. Whether the labels are in the taxonomy is the caller's to check."""
        chosen = Q.c.question_id == question_id
        with writing(self._engine, lock="questions") as connection:
            at = now or clock(connection)
            row = connection.execute(select(Q).where(chosen)).one_or_none()
            outcome = _outcome(row, person=person, at=at)
            if outcome is AnswerOutcome.ACCEPTED:
                values = {"answer": list(labels), "person": person, "answered_at": at, "state": "answered"}
                connection.execute(update(Q).where(chosen).values(values))
        return outcome

    def waiting(self, *, step_key: str, now: datetime | None = None) -> int:
        """Questions of the step that may still be answered in time."""
        mine = and_(Q.c.step_key == step_key, Q.c.state == "open")
        with reading(self._engine) as connection:
            open_now = and_(mine, Q.c.deadline > (now or clock(connection)))
            return int(connection.execute(select(func.count()).where(open_now)).scalar_one())

    def deadline(self, *, step_key: str) -> datetime | None:
        """Until when the step waits; None when it asked nothing."""
        with reading(self._engine) as connection:
            chosen = select(Q.c.deadline).where(Q.c.step_key == step_key).order_by(Q.c.deadline.desc()).limit(1)
            row = connection.execute(chosen).one_or_none()
        return row.deadline if row else None

    def unanswered(self, *, pipeline: str, most: int | None = None) -> list[Question]:
        """The pipeline's open questions, in an order that says nothing about them."""
        chosen = and_(Q.c.pipeline == pipeline, Q.c.state == "open")
        with reading(self._engine) as connection:
            rows = connection.execute(select(Q).where(chosen).order_by(Q.c.question_id).limit(most)).all()
        return [_question(row) for row in rows]

    def answered_at(self, *, step_key: str) -> dict[str, list[datetime]]:
        """When each person answered the step's questions."""
        chosen = and_(Q.c.step_key == step_key, Q.c.state == "answered")
        found: dict[str, list[datetime]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(select(Q.c.person, Q.c.answered_at).where(chosen)).all():
                found.setdefault(row.person, []).append(row.answered_at)
        return found

    def whole(self, *, step_key: str) -> list[dict[str, Any]]:
        """The step's questions with all that is known of them, for another database (see `take_over`)."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(Q).where(Q.c.step_key == step_key)).mappings().all()
        return [dict(row) for row in rows]

    def take_over(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Questions of another database, answered or not; those that are known stay as they are."""
        with writing(self._engine, lock="questions") as connection:
            known = set(connection.execute(select(Q.c.question_id)).scalars())
            if new := [dict(row) for row in rows if row["question_id"] not in known]:
                connection.execute(insert(Q), new)

    def collect(
        self, *, pipeline: str, step_key: str, settled: Collection[str] = (), now: datetime | None = None
    ) -> list[Answered]:
        """The answers to the step's own questions, and those that no other step waits for any more.

        A step waits until its questions' deadline, or until it is in `settled`. Nothing is taken away: which answers
        have found their place already is written where they were put, and not here beside it.
        """
        given = and_(Q.c.pipeline == pipeline, Q.c.state == "answered")
        with reading(self._engine) as connection:
            rows = connection.execute(select(*_ANSWER).where(given).order_by(Q.c.question_id)).all()
            at = now or clock(connection)
        free = {step_key, *settled}
        return [_answered(row) for row in rows if row.step_key in free or row.deadline <= at]


def question_id(step_key: str, article_id: str) -> str:
    """One question an article and step, whatever asks for it."""
    return hashlib.sha256(f"{step_key}\0{article_id}".encode()).hexdigest()[:32]


def _free(holder: str, at: datetime) -> ColumnElement[bool]:
    return or_(Q.c.holder.is_(None), Q.c.holder == holder, Q.c.held_until <= at)


def _outcome(row: Row[Any] | None, *, person: str, at: datetime) -> AnswerOutcome:
    if row is None:
        return AnswerOutcome.UNKNOWN
    if row.state == "answered":
        return AnswerOutcome.ALREADY
    if row.holder not in (None, person) and row.held_until > at:
        return AnswerOutcome.LEASED
    return AnswerOutcome.ACCEPTED


def _row(question: NewQuestion, shared: dict[str, Any]) -> dict[str, Any]:
    own = {"article_id": question.article_id, "kind": question.kind, "title": question.title, "body": question.body}
    return {**shared, **own, "question_id": question_id(shared["step_key"], question.article_id), "state": "open"}


def _question(row: Row[Any]) -> Question:
    return Question(**{name: getattr(row, name) for name in Question.__dataclass_fields__})


def _answered(row: Row[Any]) -> Answered:
    names = ("question_id", "step_key", "article_id", "kind", "taxonomy_version", "person", "answered_at")
    return Answered(labels=tuple(row.answer), **{name: getattr(row, name) for name in names})
