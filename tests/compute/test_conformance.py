"""What every platform does, whatever its service is like."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pressrun.compute import ConfigurationFailed, Handle, JobState, PollingFailed, State
from pressrun.compute.platform import failure_of, make_token
from tests.compute.worlds import KINDS, World, submit, world

TOKEN = make_token(step_key="topics_retrain/night/sample/-1", inputs="i", generation=0)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world(request.param, tmp_path) as made:
        yield made


def needs(place: World, thing: str) -> None:
    if thing not in place.can:
        pytest.skip(f"{place.platform.name} cannot {thing}")


def until_ended(place: World, handle: Handle) -> JobState:
    for _ in range(500):
        if (seen := place.platform.state(handle)).state.ended:
            return seen
        time.sleep(0.01)
    raise AssertionError("it never ends")


def until_started(place: World, count: int) -> None:
    for _ in range(500):
        if place.started() >= count:
            return
        time.sleep(0.01)


def test_a_job_goes_from_accepted_to_success_and_says_where_its_log_is(place: World) -> None:
    handle = submit(place.platform, place.job(), TOKEN)
    first = place.platform.state(handle)
    assert not first.state.ended
    assert handle.job_id in first.logs
    place.end(handle, "well")
    seen = until_ended(place, handle)
    assert seen.state is State.SUCCEEDED
    assert failure_of(seen, platform=place.platform.name) is None


def test_a_token_starts_one_job_however_often_it_is_submitted(place: World) -> None:
    job = place.job()
    handles = [submit(place.platform, job, TOKEN) for _ in range(3)]
    assert handles[0] == handles[1] == handles[2]
    until_started(place, 1)
    assert place.started() == 1


def test_of_many_who_submit_at_once_one_starts_it(place: World) -> None:
    job = place.job()
    with ThreadPoolExecutor(6) as pool:
        handles = list(pool.map(lambda _: submit(place.platform, job, TOKEN), range(6)))
    until_started(place, 1)
    assert len({handle.job_id for handle in handles}) == 1
    assert place.started() == 1


def test_another_token_is_another_job(place: World) -> None:
    one = submit(place.platform, place.job(), TOKEN)
    other = submit(place.platform, place.job(), make_token(step_key="k", inputs="i", generation=1))
    assert one.job_id != other.job_id
    until_started(place, 2)
    assert place.started() == 2


def test_a_job_that_was_never_submitted_is_not_found(place: World) -> None:
    submit(place.platform, place.job(), make_token(step_key="k", inputs="i", generation=7))
    assert place.platform.find(TOKEN) is None


def test_a_lost_handle_is_found_by_the_token_among_other_jobs(place: World) -> None:
    handle = submit(place.platform, place.job(), TOKEN)
    for generation in range(3):
        submit(place.platform, place.job(), make_token(step_key="other", inputs="i", generation=generation))
    assert place.platform.find(TOKEN) == handle


def test_a_lost_answer_is_told_as_unknown_and_the_next_submit_gets_the_same_job(place: World) -> None:
    needs(place, "lose")
    place.lose_an_answer()
    with pytest.raises(PollingFailed, match="retry"):
        submit(place.platform, place.job(), TOKEN)
    assert place.started() == 1
    found = place.platform.find(TOKEN)
    assert submit(place.platform, place.job(), TOKEN) == found
    assert place.started() == 1


def test_a_job_that_is_not_listed_yet_is_unknown_and_submitting_again_starts_no_other(place: World) -> None:
    needs(place, "late")
    place.list_late(2)
    handle = submit(place.platform, place.job(), TOKEN)
    assert place.platform.find(TOKEN) is None
    assert place.platform.state(handle).state is State.UNKNOWN
    assert submit(place.platform, place.job(), TOKEN) == handle
    assert not place.platform.state(handle).state.ended
    assert place.started() == 1


def test_cancelling_ends_the_job_and_is_safe_to_repeat(place: World) -> None:
    handle = submit(place.platform, place.job(), TOKEN)
    until_started(place, 1)
    place.platform.cancel(handle)
    place.platform.cancel(handle)
    assert until_ended(place, handle).state is State.CANCELLED
    place.platform.cancel(handle)


def test_a_job_that_others_cancel_is_told_as_cancelled(place: World) -> None:
    handle = submit(place.platform, place.job(), TOKEN)
    until_started(place, 1)
    place.end(handle, "cancelled")
    seen = until_ended(place, handle)
    assert seen.state is State.CANCELLED
    failure = failure_of(seen, platform=place.platform.name)
    assert failure is not None
    assert "was cancelled" in str(failure)


@pytest.mark.parametrize("kind", ["job", "platform", "configuration"])
def test_a_failure_is_told_by_its_kind_with_what_to_do(place: World, kind: str) -> None:
    if kind != "job":
        needs(place, kind)
    handle = submit(place.platform, place.job(), TOKEN)
    place.end(handle, kind)
    seen = until_ended(place, handle)
    assert seen.state is State.FAILED
    failure = failure_of(seen, platform=place.platform.name)
    assert failure is not None
    assert failure.kind == kind
    assert len(failure.hint) > 20


def test_a_platform_that_throttles_does_not_know_how_the_job_stands(place: World) -> None:
    needs(place, "throttle")
    handle = submit(place.platform, place.job(), TOKEN)
    place.throttle(1)
    with pytest.raises(PollingFailed):
        place.platform.state(handle)
    with pytest.raises(PollingFailed):
        submit(place.platform, place.job(), TOKEN)
    assert submit(place.platform, place.job(), TOKEN) == handle
    assert not place.platform.state(handle).state.ended


def test_credentials_that_ran_out_leave_the_job_going_on_and_say_so(place: World) -> None:
    needs(place, "expire")
    handle = submit(place.platform, place.job(), TOKEN)
    place.expire()
    with pytest.raises(PollingFailed, match="credentials"):
        place.platform.state(handle)
    assert not place.platform.state(handle).state.ended


def test_a_submit_that_is_refused_says_what_to_mend_and_starts_nothing(place: World) -> None:
    needs(place, "refuse")
    place.refuse()
    with pytest.raises(ConfigurationFailed, match=r"docs/compute\.md"):
        submit(place.platform, place.job(), TOKEN)
    assert place.started() == 0
