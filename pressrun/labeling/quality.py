"""The verdict on labels: the machines' answers against people's, on the articles of the blind audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from pressrun.config.pipeline import Audit
from pressrun.verdict import Assertion, Comparison, Decision

Check = Comparison | Assertion
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Audited:
    """An audited article: what a machine was sure of, and what a person said without seeing it."""

    labeler: str
    machine: tuple[str, ...]
    person: tuple[str, ...]

    @property
    def right(self) -> bool:
        """All that the machine said, the person said too."""
        return set(self.machine) <= set(self.person)


@dataclass(frozen=True, kw_only=True)
class Night:
    """What the checks are made from. `answered` of `asked` audit questions came back in time.

    `spent` is USD by labeler, None where no price is known.
    """

    audited: Sequence[Audited]
    asked: int
    answered: int
    articles: int
    abstained: int
    rejected: int
    spent: Mapping[str, float | None]
    budgets: Mapping[str, float | None]
    machines: bool = True


def judge(night: Night, *, policy: Audit) -> tuple[Check, ...]:
    """The accuracy decides; all else informs."""
    return (
        _accuracy_check(night, policy),
        *_sliced(night.audited, policy, "labeler", lambda row: row.labeler),
        *_sliced(night.audited, policy, "topic", lambda row: row.machine[0]),
        _abstention(night),
        _rejects(night),
        *(_money(name, usd, night.budgets.get(name)) for name, usd in sorted(night.spent.items())),
    )


def accuracy(rows: Sequence[Audited], *, floor: float, min_rows: int, slice: str | None = None) -> Comparison:
    """The share of right labels with its Wilson interval (Wilson 1927), against `floor`.

    Fails when even the upper bound is below the floor; passes when there are `min_rows` and the estimate reaches it;
    everything between is insufficient.
    """
    right, count = sum(row.right for row in rows), len(rows)
    low, high = _wilson(right, count) if count else (0.0, 1.0)
    share = right / count if count else None
    decision = _decide(share, high=high, count=count, floor=floor, min_rows=min_rows)
    return Comparison(
        metric="label_accuracy",
        slice=slice,
        candidate=share,
        low=low,
        high=high,
        threshold=floor,
        samples=count,
        method="share of audited machine labels that a person gave too; Wilson interval",
        alpha=ALPHA,
        required=slice is None,
        decision=decision,
        reason=_reason(decision, share=share, low=low, high=high, count=count, floor=floor, min_rows=min_rows),
    )


def _decide(share: float | None, *, high: float, count: int, floor: float, min_rows: int) -> Decision:
    if high < floor:
        return Decision.FAIL
    if share is None or count < min_rows or share < floor:
        return Decision.INSUFFICIENT
    return Decision.PASS


def _reason(
    decision: Decision, *, share: float | None, low: float, high: float, count: int, floor: float, min_rows: int
) -> str:
    if share is None:
        return f"no audited article with both answers; {min_rows} are needed"
    seen = f"audit accuracy {share:.2f} [{low:.2f}, {high:.2f}] on {count}, floor {floor:.2f}"
    if decision is Decision.INSUFFICIENT and count < min_rows:
        return f"{seen}: {min_rows} audited articles are needed; answer the queue or lower label.audit.min_rows"
    if decision is Decision.INSUFFICIENT:
        return f"{seen}: below the floor, but by no more than chance allows; audit more"
    return seen


def _wilson(right: int, count: int) -> tuple[float, float]:
    interval = binomtest(right, count).proportion_ci(confidence_level=1 - ALPHA, method="wilson")
    return float(interval.low), float(interval.high)


def _accuracy_check(night: Night, policy: Audit) -> Check:
    if not night.machines:
        reason = "no machine labels in the chain: nothing to audit"
        return Assertion(metric="label_accuracy", decision=Decision.PASS, reason=reason)
    check = accuracy(night.audited, floor=policy.floor, min_rows=policy.min_rows)
    if night.answered < night.asked:
        late = f"{check.reason}; {night.asked - night.answered} of {night.asked} audit questions unanswered"
        return check.model_copy(update={"reason": late})
    return check


def _sliced(rows: Sequence[Audited], policy: Audit, kind: str, of: Callable[[Audited], str]) -> list[Comparison]:
    names = sorted({of(row) for row in rows})
    groups = {name: [row for row in rows if of(row) == name] for name in names}
    return [
        accuracy(group, floor=policy.floor, min_rows=policy.min_rows, slice=f"{kind}={name}")
        for name, group in groups.items()
    ]


def _abstention(night: Night) -> Assertion:
    share = night.abstained / night.articles if night.articles else 0.0
    reason = f"{night.abstained} of {night.articles} articles are left without a label"
    decision = Decision.PASS if night.abstained < night.articles else Decision.FAIL
    return Assertion(
        metric="abstained_share", value=share, samples=night.articles, required=False, decision=decision, reason=reason
    )


def _rejects(night: Night) -> Assertion:
    reason = f"{night.rejected} answers could not be used, such as a label outside the taxonomy"
    value = night.rejected
    return Assertion(metric="rejected_answers", value=value, required=False, decision=Decision.PASS, reason=reason)


def _money(name: str, usd: float | None, limit: float | None) -> Assertion:
    within = limit is None or usd is None or usd <= limit
    told = "no price is known" if usd is None else f"{usd:.4f} USD"
    reason = f"{name}: {told}" + ("" if limit is None else f" of {limit:.2f}")
    decision = Decision.PASS if within else Decision.FAIL
    return Assertion(metric="spent_usd", slice=name, value=usd, required=False, decision=decision, reason=reason)
