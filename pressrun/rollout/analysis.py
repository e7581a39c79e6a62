"""Whether the candidate's traffic is worse than the champion's, over the same minutes, by what the router counted.

Each check fails when its whole interval is beyond the budget, passes when its estimate is within, and is insufficient
in between, so that doubt costs time and not readers. The counts are looked at again and again while they grow. So that
this does not find a difference by patience, looks are made at sizes that grow by a fifth and look k gets 6 alpha / (pi
k)^2, which add up to alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np

from pressrun.config.pipeline import Rollout
from pressrun.rollout.traffic import Counts
from pressrun.rollout.types import CANDIDATE, CHAMPION
from pressrun.stats.proportion import Interval, proportion_difference_interval, wilson_interval
from pressrun.stats.quantile import quantile_ratio_interval
from pressrun.verdict import Check, Comparison, Decision

ALPHA = 0.05
FIRST_LOOK = 20
GROWTH = 1.2
# The p99 of fewer requests is their slowest one: one stall of the machine would decide.
ENOUGH_FOR_P99 = 100


def alpha_of(look: int) -> float:
    """The share of `ALPHA` that look number `look`, from 1, may spend."""
    return 6 * ALPHA / (pi * look) ** 2


class Looks:
    """Says when the counts of one step are due for another look; keeps what the last one found."""

    def __init__(self) -> None:
        self.number, self._due_at = 0, FIRST_LOOK
        self.checks: tuple[Check, ...] = ()

    def look(self, counts: Counts, policy: Rollout) -> tuple[Check, ...]:
        """The checks of the newest look that was due."""
        requests = counts.arm(CANDIDATE).requests
        at_the_end = requests >= policy.min_requests and self._due_at > policy.min_requests * GROWTH
        if requests >= self._due_at or (at_the_end and not self.checks):
            self.number += 1
            self._due_at = max(requests + 1, int(requests * GROWTH))
            self.checks = judge(counts, policy, alpha=alpha_of(self.number))
        return self.checks


def judge(counts: Counts, policy: Rollout, *, alpha: float) -> tuple[Check, ...]:
    """Error rate, p99 latency and, where requests are shadowed, disagreement."""
    checks = [_errors(counts, policy, alpha), _latency(counts, policy, alpha)]
    return (*checks, _disagreement(counts, policy, alpha)) if policy.shadow else tuple(checks)


def _errors(counts: Counts, policy: Rollout, alpha: float) -> Check:
    ours, theirs = counts.arm(CANDIDATE), counts.arm(CHAMPION)
    budget, samples = policy.budgets.error_rate, min(ours.requests, theirs.requests)
    if samples < FIRST_LOOK:
        return _too_few("error_rate", budget, samples)
    found = proportion_difference_interval(ours.errors, ours.requests, theirs.errors, theirs.requests, alpha)
    words = f"errors {ours.errors} of {ours.requests} against {theirs.errors} of {theirs.requests}"
    return _compared(
        "error_rate", found, budget, alpha, ours.requests, f"{words}, {budget:.1%} more allowed",
        candidate=ours.errors / ours.requests, champion=theirs.errors / theirs.requests,
    )  # fmt: skip


def _latency(counts: Counts, policy: Rollout, alpha: float) -> Check:
    ours, theirs = counts.arm(CANDIDATE).latencies, counts.arm(CHAMPION).latencies
    budget, samples = policy.budgets.latency_p99_ratio, min(len(ours), len(theirs))
    if samples < ENOUGH_FOR_P99:
        return _too_few("latency_p99_ratio", budget, samples, needed=ENOUGH_FOR_P99)
    floor = policy.budgets.latency_floor_ms
    found = quantile_ratio_interval(_floored(ours, floor), _floored(theirs, floor), q=0.99, alpha=alpha)
    candidate, champion = (float(np.quantile(latencies, 0.99)) for latencies in (ours, theirs))
    interval = f"{found.estimate:.2f}x [{found.low:.2f}, {found.high:.2f}]"
    words = f"p99 latency {interval} ({candidate:.0f} ms against {champion:.0f} ms), {budget:g}x allowed"
    return _compared(
        "latency_p99_ratio", found, budget, alpha, len(ours), words, candidate=candidate, champion=champion,
    )  # fmt: skip


def _disagreement(counts: Counts, policy: Rollout, alpha: float) -> Check:
    budget = policy.budgets.disagreement
    if counts.pairs < FIRST_LOOK:
        return _too_few("disagreement", budget, counts.pairs)
    found = wilson_interval(counts.disagreements, counts.pairs, alpha)
    words = f"{found.estimate:.1%} of {counts.pairs} shadowed pairs differ, {budget:.0%} allowed"
    return _compared("disagreement", found, budget, alpha, counts.pairs, words, candidate=found.estimate)


def _floored(latencies: Sequence[float], floor: float) -> np.ndarray:
    """Below the floor nobody notices, and a ratio would only measure the machine's noise."""
    return np.maximum(np.asarray(latencies, dtype=np.float64), floor)


def _compared(
    metric: str, found: Interval, budget: float, alpha: float, samples: int, reason: str, *,
    candidate: float, champion: float | None = None,
) -> Comparison:  # fmt: skip
    return Comparison(
        metric=metric, candidate=candidate, champion=champion, difference=found.estimate,
        low=found.low, high=found.high, threshold=budget, samples=samples, method=found.method, alpha=alpha,
        decision=_decide(found, budget), reason=reason,
    )  # fmt: skip


def _decide(found: Interval, budget: float) -> Decision:
    if found.low > budget:
        return Decision.FAIL
    return Decision.PASS if found.estimate <= budget else Decision.INSUFFICIENT


def _too_few(metric: str, budget: float, samples: int, *, needed: int = FIRST_LOOK) -> Comparison:
    reason = f"{samples} observations in the smaller arm, {needed} needed"
    return Comparison(metric=metric, threshold=budget, samples=samples, decision=Decision.INSUFFICIENT, reason=reason)
