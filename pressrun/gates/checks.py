"""The gate's comparisons. Two rules, each said in the reason:

- What must be shown (floors, non-inferiority): passes when the whole interval is on the right side of the threshold,
  fails when the estimate is on the wrong side, and is insufficient in between.
- What must not be seen (topics, slices): there are many of these on few rows, so they fail only when the estimate is
  beyond the margin and the interval, at alpha divided by their number (Bonferroni), excludes no change.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from pressrun.config.pipeline import Gate
from pressrun.gates.evidence import Evidence
from pressrun.gates.own import OwnMetrics
from pressrun.stats import Agreement, MetricInterval, calibration_error, compare_classifiers
from pressrun.stats.classification import METHOD
from pressrun.verdict import Assertion, Check, Comparison, Decision

SEED = 17
_MOST_SLICES = 12


def agreement_of(evidence: Evidence, policy: Gate, guards: int) -> Agreement:
    """Both models' metrics with intervals; those of a topic at alpha divided by `guards`."""
    return compare_classifiers(
        evidence.target,
        evidence.candidate.predicted,
        evidence.champion.predicted if evidence.champion else None,
        classes=len(evidence.labels),
        clusters=evidence.clusters,
        alpha=policy.alpha,
        class_alpha=policy.alpha / max(1, guards),
        resamples=policy.bootstrap,
        seed=SEED,
    )


def metric_of(name: str, evidence: Evidence, agreement: Agreement, own: OwnMetrics) -> MetricInterval | Assertion:
    """`macro_f1`, `accuracy`, `f1:<topic>` or one of the user's own; an error where there is no such metric."""
    if name in ("macro_f1", "accuracy"):
        found: MetricInterval = getattr(agreement, name)
        return found
    topic = name.removeprefix("f1:")
    if name != topic and topic in evidence.labels:
        return agreement.f1[evidence.labels.index(topic)]
    return own.get(name) or _unknown(name)


def floor_checks(evidence: Evidence, agreement: Agreement, policy: Gate, own: OwnMetrics) -> Iterator[Check]:
    """The candidate's own values against gate.floors."""
    for name, floor in policy.floors.items():
        metric = metric_of(name, evidence, agreement, own)
        yield metric if isinstance(metric, Assertion) else _floor(name, metric, floor, policy)


def inferiority_checks(evidence: Evidence, agreement: Agreement, policy: Gate, own: OwnMetrics) -> Iterator[Check]:
    """The differences from the champion against gate.non_inferiority; none without a champion."""
    if evidence.champion is None:
        return
    for name, margin in policy.non_inferiority.items():
        metric = metric_of(name, evidence, agreement, own)
        yield metric if isinstance(metric, Assertion) else _not_inferior(name, metric, margin, policy)


def topic_checks(evidence: Evidence, agreement: Agreement, policy: Gate, guards: int) -> Iterator[Check]:
    """No topic's F1 may be seen to fall by more than gate.topic_margin."""
    for topic, metric in zip(evidence.labels, agreement.f1, strict=True):
        if evidence.champion is not None and metric.samples:
            yield _guard("f1", topic, metric, policy.topic_margin, policy, guards)


def predicted_check(evidence: Evidence) -> Assertion:
    """A model that never names a topic has lost it."""
    true, said = Counter(evidence.target.tolist()), set(evidence.candidate.predicted.tolist())
    lost = [evidence.labels[k] for k, rows in true.items() if rows >= 5 and k not in said]
    reason = f"{len(said)} of {len(evidence.labels)} topics are predicted"
    if lost:
        reason = f"the candidate never says {', '.join(sorted(lost))}, though the truth does"
    return Assertion(
        metric="topics predicted",
        value=len(said),
        samples=len(evidence),
        decision=Decision.FAIL if lost else Decision.PASS,
        reason=reason,
    )


def calibration_check(evidence: Evidence, policy: Gate) -> Check:
    """The expected calibration error may not be seen above gate.max_calibration_error."""
    confidence, limit = evidence.candidate.confidence, policy.max_calibration_error
    if confidence is None:
        reason = "these predictions have no probabilities, so their calibration cannot be judged"
        return Assertion(metric="calibration_error", required=False, decision=Decision.INSUFFICIENT, reason=reason)
    correct = evidence.candidate.predicted == evidence.target
    found = calibration_error(confidence, correct, clusters=evidence.clusters, alpha=policy.alpha, seed=SEED)
    within, decision = found.error <= limit, Decision.PASS
    if not within:
        decision = Decision.FAIL if found.low > limit else Decision.INSUFFICIENT
    return Comparison(
        metric="calibration_error",
        candidate=found.error,
        low=found.low,
        high=found.high,
        threshold=limit,
        samples=found.samples,
        method="equal-mass bins, cluster bootstrap",
        alpha=policy.alpha,
        decision=decision,
        reason=f"expected calibration error {found.error:.3f} [{found.low:.3f}, {found.high:.3f}], {limit:g} allowed",
    )


def slice_checks(evidence: Evidence, policy: Gate) -> Iterator[Check]:
    """Accuracy by source, section and language against the champion's; absent and small slices say so."""
    for name in policy.slices:
        values = evidence.slices.get(name) or ()
        counts = Counter(value for value in values if value is not None)
        if len(counts) < 2:
            yield _absent(name, next(iter(counts), None))
            continue
        largest = counts.most_common(_MOST_SLICES)
        for value, rows in largest:
            yield _slice(evidence, name, value, rows, policy, len(largest))


def _slice(evidence: Evidence, name: str, value: str, rows: int, policy: Gate, guards: int) -> Check:
    label, needed = f"{name}={value[:80]}", policy.min_audited_slice
    if rows < needed or evidence.champion is None:
        reason = f"{rows} true-labeled articles of {label}, {needed} needed"
        if rows >= needed:
            reason = f"there is no champion to compare {label} with"
        return Assertion(
            metric="accuracy", slice=label, samples=rows, required=False, decision=Decision.INSUFFICIENT, reason=reason
        )
    held = np.array([found == value for found in evidence.slices[name]])
    agreement = compare_classifiers(
        evidence.target[held],
        evidence.candidate.predicted[held],
        evidence.champion.predicted[held],
        classes=len(evidence.labels),
        clusters=evidence.clusters[held],
        alpha=policy.alpha / guards,
        resamples=policy.bootstrap,
        seed=SEED,
    )
    return _guard("accuracy", label, agreement.accuracy, policy.slice_margin, policy, guards)


def _absent(name: str, only: str | None) -> Assertion:
    reason = f"no article has a {name}" if only is None else f"every article's {name} is {only[:80]}"
    return Assertion(
        metric="accuracy",
        slice=name,
        required=False,
        decision=Decision.INSUFFICIENT,
        reason=f"{reason}: nothing to compare by {name}",
    )


def _floor(name: str, metric: MetricInterval, floor: float, policy: Gate) -> Comparison:
    decision = Decision.PASS if metric.low >= floor else Decision.INSUFFICIENT
    if not metric.candidate >= floor:
        decision = Decision.FAIL
    reason = f"{name} {metric.candidate:.3f} [{metric.low:.3f}, {metric.high:.3f}], floor {floor:g}"
    if decision is Decision.INSUFFICIENT:
        reason += f"; {metric.samples} true-labeled rows do not show it to be above, label more"
    return _comparison(
        name,
        metric.candidate,
        None,
        None,
        metric.low,
        metric.high,
        floor,
        metric.samples,
        policy.alpha,
        decision,
        reason,
    )


def _not_inferior(name: str, metric: MetricInterval, margin: float, policy: Gate) -> Comparison:
    champion, difference, low, high = _differences(metric)
    decision = Decision.PASS if low >= -margin else Decision.INSUFFICIENT
    if not difference >= -margin:
        decision = Decision.FAIL
    reason = signed(f"{name} {difference:+.3f} [{low:+.3f}, {high:+.3f}] against the champion, {-margin:+g} allowed")
    if decision is Decision.INSUFFICIENT:
        reason += f"; {metric.samples} true-labeled rows cannot tell, label more"
    return _comparison(
        name, metric.candidate, champion, difference, low, high, -margin, metric.samples, policy.alpha, decision, reason
    )


def _guard(name: str, part: str, metric: MetricInterval, margin: float, policy: Gate, guards: int) -> Comparison:
    champion, difference, low, high = _differences(metric)
    worse = difference < -margin and high < 0
    reason = f"{part}: {signed(f'{name} {difference:+.3f} [{low:+.3f}, {high:+.3f}], {-margin:+g} allowed')}"
    decision = Decision.FAIL if worse else Decision.PASS
    alpha = policy.alpha / max(1, guards)
    made = _comparison(
        name, metric.candidate, champion, difference, low, high, -margin, metric.samples, alpha, decision, reason
    )
    return made.model_copy(update={"slice": part})


def signed(text: str) -> str:
    """With true minus signs before numbers."""
    return re.sub(r"-(?=[\d.])", "−", text)


def _differences(metric: MetricInterval) -> tuple[float, float, float, float]:
    nan = math.nan
    champion, difference = metric.champion, metric.difference
    low, high = metric.difference_low, metric.difference_high
    return (
        nan if champion is None else champion,
        nan if difference is None else difference,
        nan if low is None else low,
        nan if high is None else high,
    )


def _comparison(
    name: str,
    candidate: float,
    champion: float | None,
    difference: float | None,
    low: float,
    high: float,
    threshold: float,
    samples: int,
    alpha: float,
    decision: Decision,
    reason: str,
) -> Comparison:
    return Comparison(
        metric=name,
        candidate=candidate,
        champion=champion,
        difference=difference,
        low=low,
        high=high,
        threshold=threshold,
        samples=samples,
        method=METHOD,
        alpha=alpha,
        decision=decision,
        reason=reason,
    )


def _unknown(name: str) -> Assertion:
    reason = f"{name} is no metric here; use macro_f1, accuracy, f1:<topic> or one of gate.metrics"
    return Assertion(metric=name, decision=Decision.ERROR, reason=reason)
