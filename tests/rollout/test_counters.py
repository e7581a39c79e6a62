"""What came on between two readings of a source that others keep, and never more than the source counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.config.pipeline import Rollout
from pressrun.rollout.counters import ArmCounters, Reading, window_of
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.windows import DISAGREEMENT, ERRORS, OURS, THEIRS

POLICY = Rollout(shadow=0.1)
BOUNDS = (1.0, 10.0, 100.0)


def reading(number: int = 0, *, bounds: tuple[float, ...] = BOUNDS, **arms: ArmCounters) -> Reading:
    return Reading(source="gateway", arms=arms, bounds=bounds, number=number)


def counted(requests: int, errors: int = 0, **more: int) -> ArmCounters:
    return ArmCounters(requests=requests, errors=errors, latencies={1: requests - errors}, **more)


def test_a_first_reading_is_no_window_since_nobody_knows_when_its_counts_began() -> None:
    assert window_of(reading(candidate=counted(50)), None) is None


def test_what_came_on_is_a_window_with_the_next_number() -> None:
    window = window_of(reading(candidate=counted(70, 3)), reading(4, candidate=counted(50, 1)))
    assert window is not None
    assert (window.sequence, window.problem, window.bounds) == (5, None, BOUNDS)
    assert (window.arm(OURS).requests, window.arm(OURS).errors, window.arm(OURS).latencies) == (20, 2, {1: 18})


def test_where_nothing_came_on_there_is_no_window() -> None:
    assert window_of(reading(candidate=counted(50)), reading(candidate=counted(50))) is None


def test_an_arm_that_enters_the_route_begins_at_nothing() -> None:
    window = window_of(reading(candidate=counted(5), champion=counted(60)), reading(champion=counted(50)))
    assert window is not None
    assert {arm: one.requests for arm, one in window.arms.items()} == {"candidate": 5, "champion": 10}


def test_an_arm_that_left_the_route_and_came_back_begins_at_nothing() -> None:
    left = window_of(reading(1, champion=counted(60)), reading(0, candidate=counted(50), champion=counted(50)))
    assert left is not None
    assert list(left.arms) == ["champion"]
    back = window_of(reading(candidate=counted(7), champion=counted(70)), reading(1, champion=counted(60)))
    assert back is not None
    assert back.arm(OURS).requests == 7


RESETS = {
    "fewer requests": (counted(50), counted(10)),
    "fewer errors": (counted(50, 5), counted(60, 0)),
    "a bucket that vanished": (
        ArmCounters(requests=5, latencies={1: 2, 2: 3}),
        ArmCounters(requests=9, latencies={1: 9}),
    ),
    "fewer in a bucket": (
        ArmCounters(requests=5, latencies={1: 5}),
        ArmCounters(requests=9, latencies={1: 4, 2: 5}),
    ),
    "fewer pairs": (counted(5, pairs=9), counted(6, pairs=3)),
    "fewer disagreements": (counted(5, pairs=9, disagreements=4), counted(6, pairs=9, disagreements=1)),
    "fewer without an answer": (counted(9, 5, unanswered=5), counted(20, 6, unanswered=1)),
    # The source began anew and has more of everything by now; only the parts betray it.
    "more errors than requests": (counted(100, 0), counted(105, 10)),
    "fewer declined": (counted(5, pairs=9, declined=4), counted(6, pairs=9, declined=1)),
    "more declined than pairs": (counted(5, pairs=100), counted(6, pairs=105, declined=9)),
    "more disagreements than pairs": (counted(5, pairs=100), counted(6, pairs=105, disagreements=9)),
    "more unanswered than errors": (counted(100, 5), counted(200, 8, unanswered=6)),
}


@pytest.mark.parametrize("reset", RESETS)
def test_a_source_that_began_anew_is_told_and_is_no_evidence(reset: str) -> None:
    earlier, now = RESETS[reset]
    window = window_of(reading(candidate=now), reading(3, candidate=earlier))
    assert window is not None
    assert (window.problem, window.sequence, window.arms) == ("reset", 4, {})
    evidence = Evidence().take(window, POLICY)
    assert (evidence.reset, evidence.total.windows) == (1, 0)


def test_other_bounds_are_another_source() -> None:
    window = window_of(reading(candidate=counted(60), bounds=(5.0,)), reading(candidate=counted(50)))
    assert window is not None
    assert window.problem == "reset"


def test_bounds_that_were_not_known_before_are_no_reset() -> None:
    before = Reading(source="gateway", arms={"candidate": ArmCounters(requests=3)})
    window = window_of(reading(candidate=counted(9)), before)
    assert window is not None
    assert window.problem is None


def test_pairs_of_all_arms_are_one_number_and_say_nothing_of_requests() -> None:
    now = reading(
        candidate=ArmCounters(pairs=9, disagreements=2, declined=2), champion=ArmCounters(pairs=4, disagreements=1)
    )
    window = window_of(now, reading(candidate=ArmCounters(pairs=5), champion=ArmCounters()))
    assert window is not None
    assert (window.pairs, window.disagreements, window.declined, window.arms) == (8, 3, 2, {})


def test_the_same_window_read_and_taken_again_counts_once() -> None:
    before, now = reading(candidate=counted(5)), reading(candidate=counted(9))
    window = window_of(now, before)
    assert window is not None
    assert window_of(now, before) == window
    once = Evidence().take(window, POLICY)
    assert once.take(window, POLICY) == once


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("read"), st.booleans(), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Source:
    """Counters that only a restart takes back; `ever` is all that was counted."""

    def __init__(self) -> None:
        self.now, self.ever = [0, 0], [0, 0]

    def serve(self, requests: int, errors: int) -> None:
        for counts in (self.now, self.ever):
            counts[0] += requests
            counts[1] += min(errors, requests)

    def reading(self) -> Reading:
        requests, errors = self.now
        shadow = ArmCounters(pairs=requests, disagreements=errors)
        return reading(champion=shadow, candidate=counted(requests, errors))


def read(source: Source, kept: tuple[Evidence, Reading]) -> tuple[Evidence, Reading]:
    """As the controller does: evidence and reading in one write."""
    evidence, before = kept
    now, number = source.reading(), before.number
    if (window := window_of(now, before)) is not None:
        number, evidence = window.sequence, evidence.take(window, POLICY)
    return evidence, now.model_copy(update={"number": number})


@given(STEPS)
def test_whatever_dies_between_reading_and_writing_nothing_counts_twice_and_nothing_is_lost(
    steps: list[tuple[str, int, int]],
) -> None:
    source, kept, restarted = Source(), (Evidence(), Source().reading()), False
    for step, one, other in [*steps, ("read", 1, 0)]:
        if step == "serve":
            source.serve(one, other)
        elif step == "restart":
            source.now, restarted = [0, 0], True
        elif (read_now := read(source, kept)) and one:
            kept = read_now
    evidence = kept[0]
    errors, pairs = evidence.total.count(ERRORS, OURS), evidence.total.count(DISAGREEMENT, OURS)
    assert errors.of <= source.ever[0]
    assert errors.bad <= source.ever[1]
    assert pairs.of <= source.ever[0]
    assert evidence.total.count(ERRORS, THEIRS).of == 0
    if not restarted:
        assert [errors.of, errors.bad] == [pairs.of, pairs.bad] == source.ever
        assert (evidence.reset, evidence.missing, evidence.stale) == (0, 0, 0)
