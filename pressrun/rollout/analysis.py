"""Whether the candidate's traffic is worse than the champion's, by the evidence of concurrent windows.

Each metric is decided both ways. It fails as soon as the candidate is shown to be worse than the champion and its
budget, at whatever look: the metrics share one alpha, so that a rollout of an equal candidate alarms falsely with a
probability of at most 5%, however often it is looked at. It passes for good, at the last step and in the bake, only
when the candidate is shown to be better than the champion and the budget (Wellek, "Testing Statistical Hypotheses of
Equivalence and Noninferiority", 2010; all metrics must pass, so each may use its own level: Berger, Technometrics 24
(1982)). The earlier steps, whose readers are few, are left when nothing is shown against the candidate and the step's
own estimate is within the budget. In between it is insufficient: doubt costs time and not readers.
"""

from __future__ import annotations

from math import log

from pressrun.agreement import Expected
from pressrun.config.pipeline import Rollout
from pressrun.rollout.evidence import ALPHA, Evidence, alphas_of, budgets_of, estimate
from pressrun.rollout.windows import (
    CLICKS,
    DISAGREEMENT,
    ERRORS,
    LATENCY,
    OURS,
    PAIRED,
    THEIRS,
    Count,
    Floats,
    histogram,
)
from pressrun.stats.sequential import BOUNDS, quantile_sequence
from pressrun.verdict import Check, Comparison, Decision

ALL = 100
FEWEST = 20
ENOUGH_FOR_P99 = 100


def judge(
    evidence: Evidence, policy: Rollout, *, final: bool = True, step: int = 0, expected: Expected | None = None
) -> tuple[Check, ...]:
    """A check of each metric in play. `final`: what passes now gets all traffic, or keeps it.

    `expected` is what the gate saw, for the reasons' words: the budgets of `policy` hold it already.

    Outcomes are of readers whom both arms answered in the same time: the last `step` that leaves the champion any
    decides them for good, and after it they stand as they were shown.
    """
    shared = sum(share < ALL for share in policy.steps)
    last, over = final or step + 1 >= shared, step >= shared
    checks = (
        _check(evidence, policy, metric=metric, budget=budget, final=last, over=over)
        if metric in policy.budgets.outcomes
        else _check(evidence, policy, metric=metric, budget=budget, final=final)
        for metric, budget in budgets_of(policy).items()
    )
    return tuple(_beside_the_gate(check, expected) for check in checks)


def _beside_the_gate(check: Comparison, expected: Expected | None) -> Comparison:
    there = getattr(expected, check.metric, None) if check.metric in PAIRED else None
    if expected is None or there is None:
        return check
    return check.model_copy(update={"reason": f"{check.reason}; at the gate {there:.1%} of {expected.rows}"})


def _check(
    evidence: Evidence, policy: Rollout, *, metric: str, budget: float, final: bool, over: bool = False
) -> Comparison:
    samples = _samples(evidence, metric)
    if metric not in evidence.tracks or samples < FEWEST:
        reason = f"{samples} observations in the smaller arm, {FEWEST} needed{_troubles(evidence)}"
        return Comparison(
            metric=metric, threshold=budget, samples=samples, decision=Decision.INSUFFICIENT, reason=reason
        )
    alpha, track = alphas_of(policy)[metric], evidence.tracks[metric]
    low, high = track.interval(alpha, ALPHA - alpha)
    decision, why = _decide(evidence, policy, metric=metric, budget=budget, final=final, over=over)
    ours, theirs = _values(evidence, metric)
    return Comparison(
        metric=metric, candidate=ours, champion=theirs, difference=estimate(evidence.total, metric, policy),
        low=low, high=high, threshold=budget, samples=samples, method=_method(evidence, metric), alpha=ALPHA,
        decision=decision, reason=f"{_words(evidence, policy, metric, budget)}: {why}{_troubles(evidence)}",
    )  # fmt: skip


def _decide(
    evidence: Evidence, policy: Rollout, *, metric: str, budget: float, final: bool, over: bool
) -> tuple[Decision, str]:
    alpha = alphas_of(policy)[metric]
    worse, better = evidence.tracks[metric].log_e(budget)
    if worse >= log(1 / alpha):
        return Decision.FAIL, f"shown to be more than allowed (e-value {_large(worse)}, {1 / alpha:.0f} needed)"
    needed = 1 / (ALPHA - alpha) if alpha < ALPHA else 1 / ALPHA
    within = over or _looks_within(evidence, policy, metric, budget)
    if better >= log(needed) and within:
        return Decision.PASS, "shown to be within"
    if not final and within:
        return Decision.PASS, "so far within, enough for more traffic and not for all"
    if not within:
        return Decision.INSUFFICIENT, "this step's own traffic does not look within yet"
    return Decision.INSUFFICIENT, f"not yet shown to be within (e-value {_large(better)}, {needed:.0f} needed)"


def _looks_within(evidence: Evidence, policy: Rollout, metric: str, budget: float) -> bool:
    """Whether this step's own traffic is within the budget, and so far the slowest hundredth of all traffic."""
    now = estimate(evidence.step, metric, policy)
    if now is None or _samples(evidence, metric, of_step=True) < FEWEST:
        return False
    slow = _tail_ratio(evidence, policy) if metric == LATENCY else None
    return max(now, slow or now) <= budget


def _tail_ratio(evidence: Evidence, policy: Rollout) -> float | None:
    """The p99 against the champion's; None while it is that of too few requests, a single stall's."""
    if _samples(evidence, LATENCY) < ENOUGH_FOR_P99:
        return None
    ours, theirs = (max(value or 0.0, policy.budgets.latency_floor_ms) for value in _values(evidence, LATENCY))
    return ours / theirs


def _large(log_e: float) -> str:
    return f"{2.718281828**log_e:,.3g}" if log_e < 9 else f"10^{log_e / log(10):.0f}"


def _samples(evidence: Evidence, metric: str, *, of_step: bool = False) -> int:
    """Of the smaller arm; in the present step the candidate's, since the champion may have no traffic left."""
    tally = evidence.step if of_step else evidence.total
    arms = (OURS,) if of_step or metric in PAIRED else (OURS, THEIRS)
    if metric == LATENCY:
        return min(sum(tally.latencies.get(arm, {}).values()) for arm in arms)
    return min(tally.count(metric, arm).of for arm in arms)


def _values(evidence: Evidence, metric: str) -> tuple[float | None, float | None]:
    """Each arm's share, or its p99 in milliseconds."""
    if metric == LATENCY:
        found = [quantile_sequence(_latencies(evidence, arm), BOUNDS, 0.99).estimate for arm in (OURS, THEIRS)]
        return found[0], found[1]
    theirs = None if metric in PAIRED else evidence.total.count(metric, THEIRS).share
    return evidence.total.count(metric, OURS).share, theirs


def _words(evidence: Evidence, policy: Rollout, metric: str, budget: float) -> str:
    ours, theirs = (evidence.total.count(metric, arm) for arm in (OURS, THEIRS))
    if metric == LATENCY:
        return _latency_words(evidence, policy, budget)
    if metric in PAIRED:
        did = "differ" if metric == DISAGREEMENT else "are declined by the candidate alone"
        return f"{ours.bad / ours.of:.1%} of {ours.of} shadowed pairs {did}, {budget:.0%} allowed"
    if metric == CLICKS:
        good = [f"{count.of - count.bad} of {count.of}" for count in (ours, theirs)]
        return f"clicks on {good[0]} impressions against {good[1]}, {budget:.0%} fewer allowed"
    name = "errors" if metric == ERRORS else metric.replace("_", " ")
    return f"{name} {_of(ours)} against {_of(theirs)}, {budget:.1%} more allowed"


def _of(count: Count) -> str:
    return f"{count.bad} of {count.of}"


def _latency_words(evidence: Evidence, policy: Rollout, budget: float) -> str:
    ratio = estimate(evidence.total, LATENCY, policy)
    p99 = [quantile_sequence(_latencies(evidence, arm), BOUNDS, 0.99) for arm in (OURS, THEIRS)]
    said = " against ".join(f"{_ms(one.estimate)} [{_ms(one.low)}, {_ms(one.high)}]" for one in p99)
    return f"latency {ratio:.2f}x the champion's, p99 {said} ms, {budget:g}x allowed"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds < 1e9 else "..."


def _latencies(evidence: Evidence, arm: str) -> Floats:
    return histogram(evidence.total.latencies.get(arm, {}), BOUNDS)


def _method(evidence: Evidence, metric: str) -> str:
    track = evidence.tracks[metric]
    test = "binomial" if metric in PAIRED else "permutation"
    widened = f", divided by a dispersion of {track.dispersion:.1f}" if track.dispersion > 1 else ""
    apart = f", {evidence.apart} against earlier windows of the champion" if evidence.apart else ""
    return f"{test} e-process over {track.number} windows{widened}{apart}"


def _troubles(evidence: Evidence) -> str:
    """What was not counted as evidence."""
    told = {name: getattr(evidence, name) for name in ("missing", "stale", "reset")}
    said = ", ".join(f"{count} {name}" for name, count in told.items() if count)
    return f"; windows left out: {said}" if said else ""
