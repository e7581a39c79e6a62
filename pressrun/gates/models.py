"""Two models on the same true-labeled articles: both answer from their bundles, and the checks compare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Gate
from pressrun.config.redact import redacted
from pressrun.gates.evidence import Evidence, evidence_of
from pressrun.gates.judge import judge, too_few
from pressrun.gates.scoring import answers_check, latency_check, open_model, predictions, texts_of
from pressrun.gates.truth import Truth
from pressrun.verdict import Assertion, Check, Decision

if TYPE_CHECKING:
    from pressrun.registry import ModelRef


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The checks, and the evidence that a report draws; None where it did not come to that."""

    checks: tuple[Check, ...]
    evidence: Evidence | None = None


def judge_models(
    environment: Environment,
    policy: Gate,
    truth: Truth,
    candidate: ModelRef,
    champion: ModelRef | None,
    *,
    remedy: Callable[[], str] = lambda: "",
) -> Judged:
    """Every check on the candidate, against the champion where there is one. `remedy` ends what is said of too few."""
    try:
        bundle = open_model(environment, candidate)
        serving: tuple[Check, ...] = (answers_check(bundle), latency_check(bundle, texts_of(truth), policy))
        if len(truth.rows) < policy.min_audited:
            return Judged(checks=(too_few(len(truth.rows), policy, remedy()), *serving))
        own = predictions(bundle, truth)
    except (ValueError, OSError) as error:
        return Judged(checks=(_broken("candidate", candidate, Decision.FAIL, error),))
    try:
        other = predictions(open_model(environment, champion), truth) if champion else None
    except (ValueError, OSError) as error:
        return Judged(checks=(*serving, _broken("champion", champion, Decision.ERROR, error)))
    evidence = evidence_of(own, other, truth.table)
    return Judged(checks=(*judge(evidence, policy), *serving), evidence=evidence)


def _broken(who: str, model: ModelRef | None, decision: Decision, error: Exception) -> Assertion:
    version = model.version if model else "?"
    return Assertion(
        metric="bundle", decision=decision, reason=f"the {who} v{version} cannot be used: {redacted(str(error))[:300]}"
    )
