"""The conformance tests of own metrics and checks, for a test of yours:

from pressrun.gates.conformance import assert_gate_check, assert_metric

def test_mine_is_a_metric() -> None:
    assert_metric(mine)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pressrun.config.pipeline import Gate
from pressrun.config.uses import assert_made
from pressrun.gates.evidence import Evidence, Said
from pressrun.gates.own import GateCheck, Metric
from pressrun.stats import Answers, MetricInterval, compare_metric
from pressrun.verdict import Assertion, Comparison

LABELS = ("Business", "Sports", "World")


def assert_metric(metric: Any, *, options: Mapping[str, object] | None = None, labels: Sequence[str] = LABELS) -> None:
    """Raises AssertionError unless `metric` prefers who is right more often, repeatably, and its intervals hold.

    `metric` is what `uses` names: a function, or a class made as Name(labels=..., **options). Give labels of your own
    where it knows no others.
    """
    evidence = example_evidence(labels=labels)
    first, second = (_measured(metric, options, evidence) for _ in range(2))
    assert first == second, "the same answers must give the same value"
    assert first.difference is not None
    assert first.difference > 0, "larger must be better: who is right in 9 of 10 must beat who is right in 8 of 10"
    bounds = (first.low, first.high, first.difference_low, first.difference_high)
    assert all(bound is not None and math.isfinite(bound) for bound in bounds), "resamples must have values, not nan"
    assert first.low <= first.candidate <= first.high, "the interval must hold the value"


def _measured(metric: Any, options: Mapping[str, object] | None, evidence: Evidence) -> MetricInterval:
    made = assert_made(metric, Metric, options, labels=evidence.labels)
    assert evidence.champion is not None
    said = [Answers(said.predicted, said.probabilities) for said in (evidence.candidate, evidence.champion)]
    try:
        return compare_metric(made, evidence.target, *said, clusters=evidence.clusters, resamples=200)
    except ValueError as error:
        raise AssertionError(str(error)) from error


def assert_gate_check(check: Any, *, options: Mapping[str, object] | None = None) -> None:
    """Raises AssertionError unless `check` answers with and without a champion, repeatably, changing nothing.

    `check` is what `uses` names: a function, or a class made as Name(**options).
    """
    made = assert_made(check, GateCheck, options)
    for evidence in (example_evidence(), example_evidence(champion=False)):
        before = evidence.target.copy()
        first, second = list(made(evidence, Gate())), list(made(evidence, Gate()))
        assert all(isinstance(item, Comparison | Assertion) for item in first), "give Comparison or Assertion"
        assert all(item.reason for item in first), "every check needs a reason in words"
        assert first == second, "the same evidence must give the same checks"
        assert (evidence.target == before).all(), "evidence is shared by all checks: leave it as it is"


def example_evidence(
    *, rows: int = 200, champion: bool = True, seed: int = 3, labels: Sequence[str] = LABELS
) -> Evidence:
    """Made-up evidence on these topics and two sources: a candidate right in 9 of 10, a champion in 8 of 10."""
    rng, classes = np.random.default_rng(seed), len(labels)
    target = rng.integers(0, classes, rows)
    return Evidence(
        articles=tuple(f"a{number}" for number in range(rows)),
        labels=tuple(labels),
        target=target,
        clusters=np.arange(rows),
        candidate=_said(target, 0.9, rng, classes),
        champion=_said(target, 0.8, rng, classes) if champion else None,
        slices={"source": tuple(("wire", "desk")[number % 2] for number in range(rows))},
        titles=tuple(f"Title {number}" for number in range(rows)),
    )


def _said(target: np.ndarray, accuracy: float, rng: np.random.Generator, classes: int) -> Said:
    predicted = np.where(rng.random(len(target)) < accuracy, target, (target + 1) % classes)
    spread = (1 - accuracy) / (classes - 1)
    return Said(predicted=predicted, probabilities=np.eye(classes)[predicted] * (accuracy - spread) + spread)
