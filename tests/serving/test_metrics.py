"""What a server counts stays small however many rollouts it lives through."""

from __future__ import annotations

from pressrun.agreement import Compared
from pressrun.serving.metrics import Metrics

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
