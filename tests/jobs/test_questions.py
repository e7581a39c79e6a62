from __future__ import annotations

from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from pressrun.jobs import AnswerOutcome, NewQuestion, Questions, open_database

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


@pytest.fixture
def pipeline() -> str:
    return uuid4().hex


def ask(
    queue: Questions, pipeline: str, count: int, *, now: datetime = NOW, step: str = "night", renew: bool = False
) -> int:
    asked = [NewQuestion(article_id=f"a{n}", kind="chain", title=f"Title {n}", body="Body") for n in range(count)]
    wait = timedelta(hours=4)
    key = f"{pipeline}/{step}"
    return queue.ask(asked, pipeline=pipeline, step_key=key, taxonomy_version="1", wait=wait, renew=renew, now=now)


def lease(queue: Questions, pipeline: str, holder: str, most: int, *, now: datetime = NOW) -> list[str]:
    held = queue.lease(pipeline=pipeline, holder=holder, most=most, lasting=timedelta(minutes=10), now=now)
    return [question.question_id for question in held]


def test_a_retry_asks_nothing_twice_and_keeps_the_first_deadline(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    assert ask(queue, pipeline, 3) == 3
    assert ask(queue, pipeline, 4, now=NOW + timedelta(hours=1)) == 1
    assert queue.deadline(step_key=f"{pipeline}/night") == NOW + timedelta(hours=4)
    assert queue.waiting(step_key=f"{pipeline}/night", now=NOW) == 4


def test_whoever_goes_on_where_nobody_waits_any_more_waits_anew_for_what_is_open(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    later, step = NOW + timedelta(hours=9), f"{pipeline}/night"
    ask(queue, pipeline, 3)
    answer(queue, pipeline, "night")
    assert ask(queue, pipeline, 3, now=NOW + timedelta(hours=1), renew=True) == 0
    assert queue.deadline(step_key=step) == NOW + timedelta(hours=4)
    assert ask(queue, pipeline, 3, now=later, renew=True) == 0
    assert queue.waiting(step_key=step, now=later) == 2
    assert queue.deadline(step_key=step) == later + timedelta(hours=4)
    ask(queue, pipeline, 4, now=later + timedelta(hours=1))
    assert queue.waiting(step_key=step, now=later + timedelta(hours=4, seconds=-1)) == 3


def test_nobody_is_waited_for_after_the_deadline(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    ask(queue, pipeline, 2)
    assert queue.waiting(step_key=f"{pipeline}/night", now=NOW + timedelta(hours=5)) == 0


def test_two_people_never_hold_the_same_question_until_a_lease_runs_out(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    ask(queue, pipeline, 5)
    ann, ben = lease(queue, pipeline, "ann", 3), lease(queue, pipeline, "ben", 3)
    assert len(ann) == 3
    assert len(ben) == 2
    assert not set(ann) & set(ben)
    assert lease(queue, pipeline, "ann", 3) == ann
    assert len(lease(queue, pipeline, "ben", 9, now=NOW + timedelta(minutes=11))) == 5


def test_the_first_answer_stands_and_a_lease_is_respected(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    ask(queue, pipeline, 1)
    (held,) = lease(queue, pipeline, "ann", 1)
    assert queue.answer(question_id=held, person="ben", labels=["World"], now=NOW) is AnswerOutcome.LEASED
    assert queue.answer(question_id=held, person="ann", labels=["Sports"], now=NOW) is AnswerOutcome.ACCEPTED
    assert queue.answer(question_id=held, person="ann", labels=["World"], now=NOW) is AnswerOutcome.ALREADY
    assert queue.answer(question_id="none", person="ann", labels=[], now=NOW) is AnswerOutcome.UNKNOWN
    (answer,) = queue.collect(pipeline=pipeline, step_key=f"{pipeline}/night")
    assert (answer.labels, answer.person) == (("Sports",), "ann")


def answer(queue: Questions, pipeline: str, step: str, count: int = 1) -> None:
    """The first `count` questions of the step are answered."""
    chosen = {"pipeline": pipeline, "holder": "ann", "most": count, "lasting": timedelta(minutes=1)}
    for held in queue.lease(**chosen, step_key=f"{pipeline}/{step}", now=NOW):  # type: ignore[arg-type]
        queue.answer(question_id=held.question_id, person="ann", labels=["World"], now=NOW)


def collected(queue: Questions, pipeline: str, step: str, **more: Any) -> list[str]:
    found = queue.collect(pipeline=pipeline, step_key=f"{pipeline}/{step}", **({"now": NOW} | more))
    return sorted(answer.step_key.removeprefix(f"{pipeline}/") for answer in found)


def test_answers_that_another_step_still_waits_for_are_its_own(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    for step in ("one", "two"):
        ask(queue, pipeline, 2, step=step)
        answer(queue, pipeline, step, 2)
    assert collected(queue, pipeline, "one") == ["one", "one"]
    assert collected(queue, pipeline, "two") == ["two", "two"]


def test_answers_that_no_step_waits_for_any_more_are_everybodys(engine: Engine, pipeline: str) -> None:
    queue = Questions(engine)
    ask(queue, pipeline, 2, step="one")
    answer(queue, pipeline, "one")
    assert collected(queue, pipeline, "two") == []
    assert collected(queue, pipeline, "two", settled=[f"{pipeline}/one"]) == ["one"]
    assert collected(queue, pipeline, "two", now=NOW + timedelta(hours=4)) == ["one"]
    assert collected(queue, pipeline, "one") == ["one"]


def test_answers_of_another_pipeline_are_none_of_this_ones_business(engine: Engine, pipeline: str) -> None:
    queue, other = Questions(engine), uuid4().hex
    ask(queue, other, 1, step="one")
    answer(queue, other, "one")
    assert collected(queue, pipeline, "one", settled=[f"{other}/one"], now=NOW + timedelta(days=9)) == []


def _lease_in_a_process(url: str, pipeline: str, holder: str) -> list[str]:
    return [held for _ in range(10) for held in lease(Questions(open_database(url)), f"{pipeline}", f"{holder}", 5)]


def test_processes_that_lease_at_once_share_nothing(url: str, pipeline: str) -> None:
    ask(Questions(open_database(url)), pipeline, 40)
    with get_context("spawn").Pool(2) as pool:
        held = pool.starmap(_lease_in_a_process, [(url, pipeline, "ann"), (url, pipeline, "ben")])
    assert not set(held[0]) & set(held[1])


def test_long_names_and_any_script_are_kept_whole(engine: Engine, pipeline: str) -> None:
    queue, step, version, person = Questions(engine), f"{pipeline}/{'run' * 200}", "2026-" * 30, "editor." * 30
    asked = NewQuestion(article_id="a" * 300, kind="audit", title="Zürich 社会", body="🚨")
    queue.ask([asked], pipeline=pipeline, step_key=step, taxonomy_version=version, wait=timedelta(hours=1), now=NOW)
    (held,) = queue.lease(pipeline=pipeline, holder=person, most=1, lasting=timedelta(minutes=1), now=NOW)
    assert (held.title, held.body, held.taxonomy_version) == (asked.title, asked.body, version)
    queue.answer(question_id=held.question_id, person=person, labels=["Wörld"], now=NOW)
    (answer,) = queue.collect(pipeline=pipeline, step_key=step)
    assert (answer.step_key, answer.person, answer.labels) == (step, person, ("Wörld",))
