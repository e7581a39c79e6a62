"""What the counts of two arms say."""

from __future__ import annotations

import numpy as np
import pytest

from pressrun.config.pipeline import Rollout
from pressrun.rollout.analysis import ALPHA, Looks, alpha_of, judge
from pressrun.rollout.traffic import ArmCounts, Counts
from pressrun.rollout.types import CANDIDATE, CHAMPION
from pressrun.verdict import Decision
from pressrun.verdict.model import decide

POLICY = Rollout(min_requests=100)


def counts_of(*, errors: int = 0, slower: float = 1.0, disagreements: int = 10, requests: int = 400) -> Counts:
    rng = np.random.default_rng(7)
    latencies = rng.lognormal(3, 0.3, (2, requests))
    arms = {
        CANDIDATE: ArmCounts(requests=requests, errors=errors, latencies=list(latencies[0] * slower)),
        CHAMPION: ArmCounts(requests=requests, errors=0, latencies=list(latencies[1])),
    }
    return Counts(arms=arms, pairs=100, disagreements=disagreements)


def test_an_equal_candidate_passes() -> None:
    assert decide(judge(counts_of(), POLICY, alpha=0.05)) is Decision.PASS


@pytest.mark.parametrize(
    ("metric", "worse"),
    [
        ("error_rate", {"errors": 30}),
        ("latency_p99_ratio", {"slower": 4.0}),
        ("disagreement", {"disagreements": 80}),
    ],
)
def test_each_regression_fails_its_own_check(metric: str, worse: dict[str, float]) -> None:
    checks = judge(counts_of(**worse), POLICY, alpha=0.01)  # type: ignore[arg-type]
    assert [c.metric for c in checks if c.decision is Decision.FAIL] == [metric]


def test_too_few_requests_are_insufficient_never_a_pass() -> None:
    assert decide(judge(counts_of(requests=10), POLICY, alpha=0.05)) is Decision.INSUFFICIENT
    assert decide(judge(Counts(), POLICY, alpha=0.05)) is Decision.INSUFFICIENT


def test_differences_too_small_to_notice_are_no_regression() -> None:
    counts = Counts(pairs=100)
    counts.arms = {
        CANDIDATE: ArmCounts(requests=100, latencies=[3.0] * 100),
        CHAMPION: ArmCounts(requests=100, latencies=[0.5] * 100),
    }
    assert decide(judge(counts, POLICY, alpha=0.05)) is Decision.PASS


def test_what_is_fast_enough_is_the_policys_to_say_and_what_was_measured_stays_in_the_words() -> None:
    policy = POLICY.model_copy(update={"budgets": POLICY.budgets.model_copy(update={"latency_floor_ms": 1000.0})})
    slow = counts_of(slower=4.0)
    assert decide(judge(slow, POLICY, alpha=0.05)) is Decision.FAIL
    checks = judge(slow, policy, alpha=0.05)
    assert decide(checks) is Decision.PASS
    assert "1.00x [1.00, 1.00] (1" in next(c.reason for c in checks if c.metric == "latency_p99_ratio")


def test_all_looks_together_spend_no_more_than_alpha() -> None:
    assert 0.99 * ALPHA < sum(alpha_of(look) for look in range(1, 10_000)) <= ALPHA


def test_looks_are_made_when_the_counts_have_grown() -> None:
    looks, numbers = Looks(), []
    for requests in range(200):
        looks.look(counts_of(requests=requests), POLICY)
        numbers.append(looks.number)
    assert numbers[19] == 0
    assert numbers[20] == 1
    assert numbers[-1] < 16


def test_the_p99_of_few_requests_is_too_little_to_go_back_for() -> None:
    counts = counts_of(requests=60)
    counts.arms[CANDIDATE].latencies[0] = 5000.0
    latency = next(c for c in judge(counts, POLICY, alpha=0.05) if c.metric == "latency_p99_ratio")
    assert latency.decision is Decision.INSUFFICIENT
    assert latency.reason == "60 observations in the smaller arm, 100 needed"
