"""The conformance test of own checks: `from pressrun.gates.conformance import assert_gate_check`."""

from __future__ import annotations

import numpy as np

from pressrun.config.pipeline import Gate
from pressrun.gates.evidence import Evidence, Said
from pressrun.gates.own import GateCheck
from pressrun.verdict import Assertion, Comparison


def assert_gate_check(check: GateCheck) -> None:
    """Raises AssertionError unless `check` answers with and without a champion, repeatably, changing nothing."""
    for evidence in (example_evidence(), example_evidence(champion=False)):
        before = evidence.target.copy()
        first, second = list(check(evidence, Gate())), list(check(evidence, Gate()))
        assert all(isinstance(item, Comparison | Assertion) for item in first), "give Comparison or Assertion"
        assert all(item.reason for item in first), "every check needs a reason in words"
        assert first == second, "the same evidence must give the same checks"
        assert (evidence.target == before).all(), "evidence is shared by all checks: leave it as it is"


def example_evidence(*, rows: int = 200, champion: bool = True, seed: int = 3) -> Evidence:
    """Made-up evidence on three topics and two sources: a candidate right in 9 of 10, a champion in 8 of 10."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, rows)
    return Evidence(
        articles=tuple(f"a{number}" for number in range(rows)),
        labels=("Business", "Sports", "World"),
        target=target,
        clusters=np.arange(rows),
        candidate=_said(target, 0.9, rng),
        champion=_said(target, 0.8, rng) if champion else None,
        slices={"source": tuple(("wire", "desk")[number % 2] for number in range(rows))},
        titles=tuple(f"Title {number}" for number in range(rows)),
    )


def _said(target: np.ndarray, accuracy: float, rng: np.random.Generator) -> Said:
    predicted = np.where(rng.random(len(target)) < accuracy, target, (target + 1) % 3)
    spread = (1 - accuracy) / 2
    return Said(predicted=predicted, probabilities=np.eye(3)[predicted] * (accuracy - spread) + spread)
