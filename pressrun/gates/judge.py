"""The gate's pure core: evidence and policy in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pressrun.config.pipeline import Gate
from pressrun.gates.checks import (
    SEED,
    agreement_of,
    calibration_check,
    floor_checks,
    inferiority_checks,
    predicted_check,
    slice_checks,
    topic_checks,
)
from pressrun.gates.evidence import Evidence, evidence_of
from pressrun.gates.own import own_checks, own_metrics
from pressrun.verdict import Assertion, Check, Decision, Verdict
from pressrun.verdict.policy import policy_digest


def judge(evidence: Evidence, policy: Gate, *, remedy: str = "") -> tuple[Check, ...]:
    """Every check on the evidence. Too few true-labeled rows is one insufficient check that ends with `remedy`."""
    if len(evidence) < policy.min_audited:
        return (too_few(len(evidence), policy, remedy),)
    guards = len(evidence.labels)
    agreement, own = agreement_of(evidence, policy, guards), own_metrics(evidence, policy, seed=SEED)
    return (
        *floor_checks(evidence, agreement, policy, own),
        *inferiority_checks(evidence, agreement, policy, own),
        *topic_checks(evidence, agreement, policy, guards),
        predicted_check(evidence),
        calibration_check(evidence, policy),
        *slice_checks(evidence, policy),
        *own_checks(evidence, policy),
    )


def too_few(rows: int, policy: Gate, remedy: str = "") -> Assertion:
    """No data is never a pass."""
    ending = remedy or "Label more articles or lower gate.min_audited."
    return Assertion(
        metric="truth",
        value=rows,
        samples=rows,
        decision=Decision.INSUFFICIENT,
        reason=f"{rows} audited article{'' if rows == 1 else 's'}, {policy.min_audited} needed. {ending}",
    )


def judge_predictions(
    candidate: pa.Table,
    champion: pa.Table | None = None,
    *,
    policy: Gate,
    truth: pa.Table | None = None,
    pipeline: str = "alone",
) -> Verdict:
    """Judges predictions (article_id, label, probabilities) on rows whose `target` is known.

    `truth` (article_id, target and perhaps group_id, title, source, section, language) defaults to the candidate's own
    columns. See `evidence_of` for what is refused.
    """
    if (truth if truth is not None else candidate).num_rows == 0:
        return verdict_of((too_few(0, policy),), policy, pipeline=pipeline)
    return verdict_of(judge(evidence_of(candidate, champion, truth), policy), policy, pipeline=pipeline)


def verdict_of(checks: Iterable[Check], policy: Gate, **about: Any) -> Verdict:
    """The verdict over `checks`, stamped with the policy's digest."""
    return Verdict(kind="gate", checks=tuple(checks), policy_digest=policy_digest(policy), **about)
