"""The ledger of jobs elsewhere: one job a step at a time, one try that submits it, nothing that un-ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from pressrun.jobs import ExternalJob, ExternalJobs, open_database

LEASE = timedelta(minutes=1)


def intend(ledger: ExternalJobs, step: str, *, inputs: str = "i", fence: int = 0) -> ExternalJob:
    return ledger.intend(
        step_key=step,
        pipeline="topics",
        stage="sample",
        inputs=inputs,
        platform="emr_serverless",
        fence=fence,
        token=lambda generation: f"{step}-{generation}",
    )


@pytest.fixture
def ledger(engine: Engine) -> ExternalJobs:
    return ExternalJobs(engine)


@pytest.fixture
def step() -> str:
    return uuid4().hex


def test_an_intent_is_written_before_anything_is_submitted(ledger: ExternalJobs, step: str) -> None:
    made = intend(ledger, step, fence=4)
    assert (made.generation, made.state, made.handle, made.fence) == (0, "intended", None, 4)
    assert ledger.newest(step) == made


def test_a_retry_gets_the_same_intent_also_with_other_inputs(ledger: ExternalJobs, step: str) -> None:
    made = intend(ledger, step)
    assert intend(ledger, step) == made
    assert intend(ledger, step, inputs="others") == made


@pytest.mark.parametrize("state", ["submitted", "queued", "running", "unknown"])
def test_a_live_job_has_no_successor(ledger: ExternalJobs, step: str, state: str) -> None:
    made = ledger.accepted(intend(ledger, step), {"job_id": "7"})
    ledger.seen(made, state=state)
    assert intend(ledger, step).generation == 0


@pytest.mark.parametrize("state", ["failed", "cancelled", "succeeded"])
def test_only_an_observed_end_opens_the_next_generation(ledger: ExternalJobs, step: str, state: str) -> None:
    made = ledger.accepted(intend(ledger, step), {"job_id": "7"})
    ended = ledger.seen(made, state=state, detail="why")
    assert ended.ended_at is not None
    after = intend(ledger, step, fence=2)
    assert (after.generation, after.token, after.fence, after.handle) == (1, f"{step}-1", 2, None)


def test_what_has_ended_stays_ended(ledger: ExternalJobs, step: str) -> None:
    made = ledger.accepted(intend(ledger, step), {"job_id": "7"})
    ledger.seen(made, state="failed", detail="out of memory")
    assert ledger.seen(made, state="running", detail="").state == "failed"
    newest = ledger.newest(step)
    assert newest is not None
    assert newest.detail == "out of memory"


def test_the_first_handle_stands(ledger: ExternalJobs, step: str) -> None:
    made = ledger.accepted(intend(ledger, step), {"job_id": "7"})
    assert ledger.accepted(made, {"job_id": "8"}).handle == {"job_id": "7"}


def test_one_try_at_a_time_may_submit_and_after_it_died_another(ledger: ExternalJobs, step: str) -> None:
    made, now = intend(ledger, step), datetime.now(UTC)
    assert ledger.take(made, holder="a", lasting=LEASE, now=now)
    assert not ledger.take(made, holder="b", lasting=LEASE, now=now + LEASE / 2)
    assert ledger.take(made, holder="b", lasting=LEASE, now=now + LEASE * 2)
    newest = ledger.newest(step)
    assert newest is not None
    assert newest.attempts == 2


def test_the_first_request_stands_and_a_refusal_leaves_when_it_was_asked_before(
    ledger: ExternalJobs, step: str
) -> None:
    first = ledger.asking(intend(ledger, step), {"memory": "4g"})
    assert first.request == {"memory": "4g"}
    second = ledger.asking(first, {"memory": "8g"})
    assert second.request == {"memory": "4g"}
    assert second.asked_at is not None
    assert first.asked_at is not None
    assert second.asked_at > first.asked_at
    assert ledger.refused(first).asked_at == first.asked_at


def test_nobody_submits_what_is_submitted_or_has_ended(ledger: ExternalJobs, step: str) -> None:
    made = ledger.accepted(intend(ledger, step), {"job_id": "7"})
    assert not ledger.take(made, holder="a", lasting=LEASE)
    refused = intend(ledger, f"{step}-refused")
    ledger.seen(refused, state="failed")
    assert not ledger.take(refused, holder="a", lasting=LEASE)


def test_an_abandoned_job_gives_way_and_is_remembered_until_it_ends(ledger: ExternalJobs, step: str) -> None:
    made, since = ledger.asking(intend(ledger, step), {}), datetime.now(UTC) - LEASE

    def waiting() -> list[str]:
        return [job.token for job in ledger.abandoned("emr_serverless", since=since) if job.step_key == step]

    ledger.abandon(made)
    assert intend(ledger, step).generation == 1
    assert waiting() == [made.token]
    assert ledger.abandoned("emr_serverless", since=datetime.now(UTC)) == []
    ledger.seen(made, state="cancelled")
    assert waiting() == []


def test_a_job_that_nobody_asked_a_platform_for_cannot_start_late(ledger: ExternalJobs, step: str) -> None:
    ledger.abandon(intend(ledger, step))
    found = ledger.abandoned("emr_serverless", since=datetime.now(UTC) - LEASE)
    assert [job for job in found if job.step_key == step] == []


def test_an_errors_words_are_kept_whatever_is_in_them(ledger: ExternalJobs, step: str) -> None:
    told = ledger.seen(ledger.accepted(intend(ledger, step), {"job_id": "7"}), state="failed", detail="a\0b\ud800")
    assert told.detail == "a\\x00b\\ud800"


def _race(url: str, step: str, holder: str) -> tuple[str, bool]:
    ledger = ExternalJobs(open_database(url))
    made = intend(ledger, step)
    return made.token, ledger.take(made, holder=holder, lasting=LEASE) is not None


def test_two_processes_get_one_intent_and_one_of_them_submits_it(url: str, step: str) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = pool.starmap(_race, [(url, step, str(number)) for number in range(8)])
    assert {token for token, _ in found} == {f"{step}-0"}
    assert sum(taken for _, taken in found) == 1
