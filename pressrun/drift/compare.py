"""Drift's pure core: two windows and a policy in, checks out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pressrun.config.pipeline import Drift
from pressrun.drift.own import own_tests
from pressrun.drift.profile import Profile, Profiler, evidently_profile
from pressrun.drift.window import Window, window_of
from pressrun.stats import mean_shift, permuted_distance_p_value, share_shift
from pressrun.stats.shift import METHOD
from pressrun.verdict import Assertion, Check, Comparison, Decision, Verdict
from pressrun.verdict.policy import policy_digest

ALPHA, SEED = 0.05, 17


def compare(
    reference: pa.Table,
    current: pa.Table,
    *,
    policy: Drift,
    report: Path | None = None,
    profiler: Profiler = evidently_profile,
    **about: Any,
) -> Verdict:
    """Judges predictions (label, confidence; perhaps article_id, features) now against a reference.

    A change fails when it is larger than allowed and its interval excludes no change. Requests for one article are
    resampled together. `report` is where Evidently's HTML goes. Raises ValueError for a missing column.
    """
    before, after = window_of(reference, "reference"), window_of(current, "current window")
    short = tuple(_volume(before, after, policy))
    if short:
        return _verdict(short, policy, None, **about)
    profile = profiler(before, after, report=report)
    checks = (
        _topics(before, after, policy),
        _confidence(before, after, policy),
        _features(profile, before, after, policy),
        _rows(before, after),
        *own_tests(reference, current, policy),
    )
    return _verdict(checks, policy, report, **about)


def _verdict(checks: tuple[Check, ...], policy: Drift, report: Path | None, **about: Any) -> Verdict:
    return Verdict(
        kind="drift",
        checks=checks,
        policy_digest=policy_digest(policy),
        report=str(report) if report else None,
        **{"pipeline": "alone", **about},
    )


def _volume(before: Window, after: Window, policy: Drift) -> Iterator[Check]:
    for name, window in (("reference", before), ("current window", after)):
        if window.rows < policy.min_rows:
            yield Assertion(
                metric="predictions",
                slice=name,
                value=window.rows,
                samples=window.rows,
                decision=Decision.INSUFFICIENT,
                reason=f"{window.rows} predictions in the {name}, {policy.min_rows} needed. "
                "Wait for more traffic, or set a longer drift.window or a lower drift.min_rows.",
            )


def _rows(before: Window, after: Window) -> Assertion:
    return Assertion(
        metric="predictions",
        value=after.rows,
        samples=after.rows,
        required=False,
        decision=Decision.PASS,
        reason=f"{after.rows} predictions on {len(set(after.clusters.tolist()))} articles now, "
        f"{before.rows} on {len(set(before.clusters.tolist()))} in the reference",
    )


def _topics(before: Window, after: Window, policy: Drift) -> Comparison:
    labels = sorted({*before.labels, *after.labels})
    found = share_shift(
        _codes(before, labels),
        _codes(after, labels),
        classes=len(labels),
        reference_clusters=before.clusters,
        current_clusters=after.clusters,
        alpha=ALPHA,
        seed=SEED,
    )
    most = max(range(len(labels)), key=lambda k: abs(found.changes[k].estimate))
    shares = [window.labels.count(labels[most]) / len(window) for window in (before, after)]
    distance, limit = found.distance, policy.max_topic_share_change
    return Comparison(
        metric="topic_share_change",
        candidate=distance.estimate,
        low=distance.low,
        high=distance.high,
        threshold=limit,
        samples=after.rows,
        method=f"total variation, {METHOD}",
        alpha=ALPHA,
        decision=_decision(distance.estimate > limit, found.real),
        reason=f"{labels[most]}'s share {shares[0]:.0%} → {shares[1]:.0%}; in all {distance.estimate:.2f} of answers "
        f"moved [{distance.low:.2f}, {distance.high:.2f}], {limit:g} allowed",
    )


def _confidence(before: Window, after: Window, policy: Drift) -> Comparison:
    found = mean_shift(
        before.confidence,
        after.confidence,
        reference_clusters=before.clusters,
        current_clusters=after.clusters,
        alpha=ALPHA,
        seed=SEED,
    )
    limit = policy.max_confidence_change
    return Comparison(
        metric="confidence_change",
        candidate=float(after.confidence.mean()),
        champion=float(before.confidence.mean()),
        difference=found.estimate,
        low=found.low,
        high=found.high,
        threshold=limit,
        samples=after.rows,
        method=METHOD,
        alpha=ALPHA,
        decision=_decision(abs(found.estimate) > limit, found.low > 0 or found.high < 0),
        reason=f"mean confidence {found.estimate:+.3f} [{found.low:+.3f}, {found.high:+.3f}], ±{limit:g} allowed",
    )


def _features(profile: Profile, before: Window, after: Window, policy: Drift) -> Check:
    limit = policy.max_drifted_features_share
    if not profile.distances:
        reason = "the predictions carry no features, so inputs cannot be compared"
        return Assertion(metric="drifted_features_share", required=False, decision=Decision.INSUFFICIENT, reason=reason)
    real = [name for name in profile.drifted if _real(name, before, after, len(profile.distances))]
    named = f": {', '.join(profile.drifted[:6])}" if profile.drifted else ""
    doubt = (
        f"; {len(profile.drifted) - len(real)} of them perhaps by chance" if len(real) < len(profile.drifted) else ""
    )
    return Comparison(
        metric="drifted_features_share",
        candidate=profile.share,
        threshold=limit,
        samples=min(before.rows, after.rows),
        method="Evidently, normed Wasserstein distance; cluster permutation test",
        alpha=ALPHA,
        decision=_decision(profile.share > limit, len(real) / len(profile.distances) > limit),
        reason=f"{len(profile.drifted)} of {len(profile.distances)} features drifted{named}{doubt}; "
        f"a share of {limit:g} allowed",
    )


def _real(name: str, before: Window, after: Window, features: int) -> bool:
    """Whether the feature moved by more than as many rows on as many articles move by chance."""
    (old, old_clusters), (new, new_clusters) = (_known(window, name) for window in (before, after))
    p_value = permuted_distance_p_value(
        old, new, reference_clusters=old_clusters, current_clusters=new_clusters, seed=SEED
    )
    return p_value <= ALPHA / features


def _known(window: Window, name: str) -> tuple[np.ndarray, np.ndarray]:
    values = window.features[name]
    held = np.isfinite(values)
    return values[held], window.clusters[held]


def _decision(beyond: bool, real: bool) -> Decision:
    """Beyond what is allowed and no noise: fail; beyond but perhaps noise: insufficient."""
    if not beyond:
        return Decision.PASS
    return Decision.FAIL if real else Decision.INSUFFICIENT


def _codes(window: Window, labels: list[str]) -> np.ndarray:
    place = {label: k for k, label in enumerate(labels)}
    return np.array([place[label] for label in window.labels], dtype=np.int64)
