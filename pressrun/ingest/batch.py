"""Is this batch of articles like the ones before it? A night stops here before a label is bought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from pressrun.config.pipeline import Batch
from pressrun.verdict import Assertion, Check, Comparison, Decision

ENOUGH = 50
"""Articles below which a mix says nothing: the total variation between two samples of 50 is often 0.1 by chance."""


@dataclass(frozen=True, kw_only=True)
class BatchFacts:
    """What one batch is judged by; counts of rows, of articles by language and source, of rejects by reason."""

    articles: int
    new_rows: int
    duplicates: int
    incomplete: int
    rejects: int
    unreadable: Sequence[str]
    languages: Mapping[str, int]
    sources: Mapping[str, int]
    refusals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class History:
    """The batches before: the articles of each, and the mixes over all of them."""

    volumes: Sequence[int] = ()
    languages: Mapping[str, int]
    sources: Mapping[str, int]


def judge(facts: BatchFacts, history: History, policy: Batch) -> tuple[Check, ...]:
    """The checks of a batch. Where there is no history yet, comparisons with it are insufficient and not required."""
    return (
        _files(facts),
        _enough(facts, policy),
        _null_share(facts, policy),
        _share("duplicate_share", facts.duplicates, facts.new_rows, policy.max_duplicate_share),
        *([_languages(facts, policy)] if policy.languages else []),
        _volume(facts, history, policy),
        _mix("language_mix", facts.languages, history.languages, policy.max_language_share_change),
        _mix("source_mix", facts.sources, history.sources, policy.max_source_share_change),
    )


def total_variation(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Half the summed difference of shares: 0 for the same mix, 1 for mixes with nothing in common."""
    here, there = sum(one.values()), sum(other.values())
    if not here or not there:
        raise ValueError("a mix of nothing has no distance to another")
    keys = one.keys() | other.keys()
    return sum(abs(one.get(key, 0) / here - other.get(key, 0) / there) for key in keys) / 2


def counted(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value occurs; those that are null are left out."""
    return dict(Counter(value for value in values if value is not None))


def _files(facts: BatchFacts) -> Check:
    count = len(facts.unreadable)
    reason = f"cannot be read: {'; '.join(facts.unreadable[:3])}" if count else "every file could be read"
    decision = Decision.FAIL if count else Decision.PASS
    return Assertion(metric="unreadable_files", value=count, samples=count, decision=decision, reason=reason)


def _enough(facts: BatchFacts, policy: Batch) -> Check:
    decision = Decision.PASS if facts.articles >= policy.min_articles else Decision.INSUFFICIENT
    return Comparison(
        metric="articles",
        candidate=facts.articles,
        threshold=policy.min_articles,
        samples=facts.articles,
        method="count",
        decision=decision,
        reason=f"{facts.articles} new articles, articles.batch.min_articles is {policy.min_articles}",
    )


def _share(metric: str, count: int, of: int, most: float) -> Check:
    share = count / of if of else 0.0
    return Comparison(
        metric=metric,
        candidate=share,
        threshold=most,
        samples=of,
        method="share of rows",
        decision=Decision.PASS if share <= most else Decision.FAIL,
        reason=f"{count} of {of} rows ({share:.1%}), articles.batch.max_{metric} is {most:.1%}",
    )


def _null_share(facts: BatchFacts, policy: Batch) -> Check:
    """What is most often wrong stands in the reason: with columns mapped wrongly it is the same for every row."""
    empty = {"without a title or a body": facts.incomplete} if facts.incomplete else {}
    wrong = Counter({**facts.refusals, **empty}).most_common(1)
    check = _share(
        "null_share", facts.incomplete + facts.rejects, facts.articles + facts.rejects, policy.max_null_share
    )
    return check.model_copy(update={"reason": f"{check.reason}; most: {wrong[0][0]}"}) if wrong else check


def _languages(facts: BatchFacts, policy: Batch) -> Check:
    others = {code: n for code, n in facts.languages.items() if code not in (*policy.languages, "und")}
    return _share(
        "language_share_change", sum(others.values()), facts.articles, policy.max_language_share_change
    ).model_copy(update={"metric": "other_languages", "slice": ",".join(sorted(others)) or None})


def _volume(facts: BatchFacts, history: History, policy: Batch) -> Check:
    if not history.volumes:
        return _no_history("volume", facts.articles)
    usual, most = median(history.volumes), policy.max_volume_ratio
    ratio = max(facts.articles, 1) / max(usual, 1)
    return Comparison(
        metric="volume",
        candidate=facts.articles,
        champion=usual,
        difference=facts.articles - usual,
        threshold=most,
        samples=len(history.volumes),
        method="ratio to the median of earlier batches, both ways",
        decision=Decision.PASS if max(ratio, 1 / ratio) <= most else Decision.FAIL,
        reason=f"{facts.articles} articles, usual are {usual:g}; articles.batch.max_volume_ratio is {most:g}",
    )


def _mix(metric: str, now: Mapping[str, int], before: Mapping[str, int], most: float) -> Check:
    samples = sum(now.values())
    if not now:
        return _undecided(metric, samples, f"no article says its {metric.removesuffix('_mix')}: nothing to compare")
    if not before:
        return _no_history(metric, samples)
    if min(samples, sum(before.values())) < ENOUGH:
        return _undecided(metric, samples, f"{samples} articles now, {ENOUGH} are needed to compare mixes")
    distance = total_variation(now, before)
    return Comparison(
        metric=metric,
        candidate=distance,
        threshold=most,
        samples=samples,
        method="total variation against all earlier batches",
        decision=Decision.PASS if distance <= most else Decision.FAIL,
        reason=f"{distance:.0%} of the mix has moved, {most:.0%} is allowed; most: {_moved(now, before)}",
    )


def _moved(now: Mapping[str, int], before: Mapping[str, int]) -> str:
    here, there = sum(now.values()), sum(before.values())
    shares = {key: (before.get(key, 0) / there, now.get(key, 0) / here) for key in now.keys() | before.keys()}
    key, (old, new) = max(sorted(shares.items()), key=lambda item: abs(item[1][1] - item[1][0]))
    return f"{key} {old:.0%} → {new:.0%}"


def _no_history(metric: str, samples: int) -> Check:
    return _undecided(metric, samples, "the first batch: there is nothing to compare with yet")


def _undecided(metric: str, samples: int, reason: str) -> Check:
    return Comparison(metric=metric, samples=samples, required=False, decision=Decision.INSUFFICIENT, reason=reason)
