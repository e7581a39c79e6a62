"""What a server counts stays small however many rollouts it lives through."""

from __future__ import annotations

from prometheus_client import Histogram

from pressrun.agreement import Compared
from pressrun.serving.metrics import BUCKETS, Metrics
from pressrun.serving.protocol import Identity

ONE = Compared(kinds={(True, False): 1})


def shadowed(counts: Metrics, rollout: int) -> None:
    for arm in ("candidate", "champion"):
        counts.shadowed(rollout=rollout, arm=arm, failed=False, seconds=0.02)
        counts.shadowed(rollout=rollout, arm=arm, failed=True, seconds=0.02)
        counts.paired(rollout=rollout, arm=arm, both=ONE)


def test_a_year_of_rollouts_leaves_no_more_than_two() -> None:
    counts = Metrics()
    shadowed(counts, 1)
    shadowed(counts, 2)
    after_two = len(counts.render())
    for rollout in range(3, 366):
        shadowed(counts, rollout)
    assert len(counts.render()) < 1.1 * after_two


def test_what_the_present_rollout_counted_stays_when_an_answer_of_the_last_one_comes_late() -> None:
    counts = Metrics()
    for rollout in (7, 8, 7, 8):
        counts.paired(rollout=rollout, arm="champion", both=ONE)
    text = counts.render().decode()
    assert 'pressrun_shadow_pairs_total{agree="true",arm="champion",declined="false",rollout="8"} 2.0' in text
    assert 'pressrun_shadow_pairs_total{agree="true",arm="champion",declined="false",rollout="7"} 2.0' in text


def test_numbers_that_begin_anew_are_counted_anew() -> None:
    counts = Metrics()
    for rollout in (7, 8, 1):
        counts.paired(rollout=rollout, arm="champion", both=ONE)
    text = counts.render().decode()
    assert 'rollout="1"} 1.0' in text
    assert 'rollout="7"' not in text


def test_answers_are_told_as_any_prometheus_histogram_is_and_go_with_their_model() -> None:
    counts = Metrics()
    mine = counts.of(Identity(model="topics", version="7", digest="d"))
    for seconds in (0.0001, 0.0005, 0.02, 9.0):
        mine.answered(arm="champion", shadow=False, status=200, seconds=seconds)
    mine.answered(arm="champion", shadow=True, status=429, seconds=0.5)
    theirs = Histogram("pressrun_request_seconds", "As the library counts.", registry=None, buckets=BUCKETS)
    for seconds in (0.0001, 0.0005, 0.02, 9.0, 0.5):
        theirs.observe(seconds)
    (expected,) = theirs.collect()
    who = {"model": "topics", "version": "7", "arm": "champion"}
    for sample in expected.samples:
        if not sample.name.endswith("_created"):
            assert counts.registry.get_sample_value(sample.name, {**who, **sample.labels}) == sample.value, sample
    told = {**who, "shadow": "true", "status": "429"}
    assert counts.registry.get_sample_value("pressrun_requests_total", told) == 1
    mine.forget()
    assert "topics" not in counts.render().decode()


def test_rows_that_were_not_logged_are_told_of_as_answered_or_refused() -> None:
    """Where the log is durable they were not answered, so the table of predictions lacks nothing."""
    told = next(
        line for line in Metrics().render().decode().splitlines() if "HELP pressrun_predictions_unlogged" in line
    )
    assert "answered all the same, or refused" in told
