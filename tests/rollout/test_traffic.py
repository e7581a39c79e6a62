"""Who answers a request."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pressrun.agreement import Compared
from pressrun.rollout.traffic import Counts, bucket_of, pick
from pressrun.rollout.types import CANDIDATE, CHAMPION


def test_the_hundred_buckets_split_exactly() -> None:
    buckets = [bucket_of(given=str(b), reader=None, generation=3) for b in range(100)]
    arms = Counter(pick({CHAMPION: 95, CANDIDATE: 5}, bucket) for bucket in buckets)
    assert arms == {CHAMPION: 95, CANDIDATE: 5}


@given(reader=st.text(min_size=1), generation=st.integers(0, 99), steps=st.lists(st.integers(0, 100), min_size=2))
def test_a_reader_who_has_the_candidate_keeps_it_while_its_share_grows(
    reader: str, generation: int, steps: list[int]
) -> None:
    bucket = bucket_of(given=None, reader=reader, generation=generation)
    assert 0 <= bucket < 100
    arms = [pick({CHAMPION: 100 - step, CANDIDATE: step}, bucket) for step in sorted(steps)]
    assert arms == sorted(arms, key=lambda arm: arm == CANDIDATE)


def test_nobody_answers_when_no_arm_is_ready() -> None:
    assert pick({}, 3.0) is None


def test_a_failed_answer_is_an_error_and_no_latency() -> None:
    counts = Counts()
    counts.answered(CANDIDATE, failed=True, milliseconds=1.0)
    counts.answered(CANDIDATE, failed=False, milliseconds=2.0)
    assert (counts.arm(CANDIDATE).errors, sum(counts.arm(CANDIDATE).latencies.values())) == (1, 1)
    counts.next_step()
    assert counts.arm(CANDIDATE).requests == 0
    assert counts.summary().requests == {CANDIDATE: 2}


def test_a_step_that_begins_drops_what_was_counted_before_and_no_number() -> None:
    counts = Counts()
    counts.answered("candidate", failed=False, milliseconds=1.0)
    first = counts.cut()
    counts.answered("candidate", failed=True, milliseconds=1.0)
    counts.next_step()
    counts.answered("candidate", failed=False, milliseconds=1.0)
    second = counts.cut()
    assert (second.sequence, second.arm("candidate").errors) == (first.sequence + 1, 0)


def test_windows_hold_each_request_once_and_are_numbered() -> None:
    counts = Counts()
    counts.answered(CANDIDATE, failed=False, milliseconds=20.0)
    counts.compared(Compared(kinds={(False, False): 1}))
    first = counts.cut()
    counts.answered(CHAMPION, failed=True, milliseconds=20.0)
    second = counts.cut()
    assert (first.arm(CANDIDATE).requests, first.disagreements) == (1, 1)
    assert (second.arm(CANDIDATE).requests, second.arm(CHAMPION).errors, second.pairs) == (0, 1, 0)
    assert (second.source, second.sequence) == (first.source, first.sequence + 1)
    bucket = next(iter(first.arm(CANDIDATE).latencies))
    assert first.bounds[bucket - 1] < 20.0 <= first.bounds[bucket]
    assert Counts().source != first.source
