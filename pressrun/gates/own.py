"""The user's own metrics and checks: `gate.metrics` and `gate.checks`, each named by `uses: package.module:Name`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from pressrun.config.pipeline import Gate, NamedOwn, Own, Pipeline
from pressrun.config.redact import redacted
from pressrun.config.uses import Finding, check_uses, make_uses
from pressrun.gates.evidence import Evidence, Said
from pressrun.stats import Answers, Metric, MetricInterval, compare_metric
from pressrun.verdict import Assertion, Check, Comparison, Decision

__all__ = ["GateCheck", "Metric", "OwnMetrics", "own_checks", "own_metrics", "precheck"]
OwnMetrics = Mapping[str, MetricInterval | Assertion]


class GateCheck(Protocol):
    """A function, or a class made as Name(**options). `pressrun.gates.conformance.assert_gate_check` tests one."""

    def __call__(self, evidence: Evidence, policy: Gate) -> Iterable[Check]:
        """The checks to add to the verdict."""
        ...


def own_metrics(evidence: Evidence, policy: Gate, *, seed: int) -> OwnMetrics:
    """The user's own metrics by name, resampled as the built-in ones are; one that fails to run is an error.

    Each is a `Metric`: a function of target, predicted and probabilities, or a class made as
    Name(labels=..., **options), where labels[k] is the topic of class k.
    """
    return {spec.name: _measured(spec, evidence, policy, seed) for spec in policy.metrics}


def _measured(spec: NamedOwn, evidence: Evidence, policy: Gate, seed: int) -> MetricInterval | Assertion:
    try:
        return compare_metric(
            make_uses(spec.uses, Metric, spec.options, labels=evidence.labels),
            evidence.target,
            _answers(evidence.candidate),
            _answers(evidence.champion) if evidence.champion else None,
            clusters=evidence.clusters,
            alpha=policy.alpha,
            resamples=policy.bootstrap,
            seed=seed,
        )
    except Exception as error:
        return _error(spec.name, f"own metric {spec.uses}", error)


def _answers(said: Said) -> Answers:
    return Answers(said.predicted, said.probabilities)


def own_checks(evidence: Evidence, policy: Gate) -> Iterator[Check]:
    """What the user's own checks say; one that fails to run is an error, never a pass."""
    for spec in policy.checks:
        yield from _checked(spec, evidence, policy)


def _checked(spec: Own, evidence: Evidence, policy: Gate) -> list[Check]:
    try:
        said = list(make_uses(spec.uses, GateCheck, spec.options)(evidence, policy))
        wrong = [type(item).__name__ for item in said if not isinstance(item, Assertion | Comparison)]
        if wrong:
            raise TypeError(f"it must give Comparison or Assertion, it gave {wrong[0]}")
    except Exception as error:
        return [_error(spec.uses, f"own check {spec.uses}", error)]
    return said


def _error(metric: str, what: str, error: Exception) -> Assertion:
    reason = f"{what} raised {type(error).__name__}: {redacted(str(error))[:300]}"
    return Assertion(metric=metric, decision=Decision.ERROR, reason=reason)


def precheck(pipeline: Pipeline) -> Iterator[Finding]:
    """What is wrong with `gate.metrics` and `gate.checks`, told before anything is labeled or trained."""
    for index, metric in enumerate(pipeline.gate.metrics):
        yield from check_uses(("gate", "metrics", index), metric.uses, metric.options, Metric, labels=())
    for index, spec in enumerate(pipeline.gate.checks):
        yield from check_uses(("gate", "checks", index), spec.uses, spec.options, GateCheck)
