"""How one window moves each kind of metric: the e-values of its counts at every margin of a track."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pressrun.rollout.tracks import Track
from pressrun.rollout.windows import OURS, THEIRS, Count, Floats, Tally, Window, histogram, rebucketed
from pressrun.stats.sequential import (
    LATENCY_WEIGHTS,
    LOG_ODDS,
    LOG_ODDS_WEIGHTS,
    allowed_e_values,
    budget_e_values,
    latency_scores,
    latency_tilts,
    log_e_values,
    residuals,
    times,
)

_BOTH = np.concatenate([LOG_ODDS, -LOG_ODDS])
# What readers do changes by tenths, and not by doublings as errors do.
OUTCOME_LOG_ODDS = np.log([1.05, 1.1, 1.2, 1.5, 2.0, 4.0])
OUTCOME_WEIGHTS = np.log(np.full(6, 1 / 6))


def counted(
    track: Track, window: Window, metric: str, *, log_odds: Floats = LOG_ODDS, weights: Floats = LOG_ODDS_WEIGHTS
) -> Track:
    """Errors, and what else is so many of so many, of both arms; `log_odds` (k,) are bet on by log `weights` (k,)."""
    ours, theirs = (window.arm(arm).count(metric) for arm in (OURS, THEIRS))
    if not ours.of or not theirs.of:
        return track
    both = np.concatenate([log_odds, -log_odds])
    log_e = allowed_e_values(both, ours.bad, ours.of, theirs.bad, theirs.of, allowances=track.margins)
    residual = residuals([0, 1], [[ours.of - ours.bad, ours.bad]], [[theirs.of - theirs.bad, theirs.bad]])
    return track.taken(log_e, weights, float(residual[0]))


def outcome(track: Track, window: Window, metric: str) -> Track:
    """A product's own counts: the margin is the share of what goes well at the champion that is lost."""
    return counted(track, window, metric, log_odds=OUTCOME_LOG_ODDS, weights=OUTCOME_WEIGHTS)


def latency(track: Track, window: Window, before: Tally, floor: float) -> Track:
    """Latencies by bucket; `before` is what was seen of both arms earlier, which sets the scores."""
    ours, theirs = (histogram(window.arm(arm).latencies, window.bounds) for arm in (OURS, THEIRS))
    if not ours.sum() or not theirs.sum():
        return track
    ours = times(ours, window.bounds, ratio=1.0, floor=floor, up=True)
    past = [rebucketed(before.latencies.get(arm, {}), window.bounds) for arm in (OURS, THEIRS)]
    known = past if all(one.sum() for one in past) else [ours, theirs]

    def at(ratio: float) -> Floats:
        sides = []
        for up, sign in ((True, 1.0), (False, -1.0)):
            moved = times(theirs, window.bounds, ratio=ratio, floor=floor, up=up)
            pooled = known[0] + times(known[1], window.bounds, ratio=ratio, floor=floor, up=up)
            sides.append(log_e_values(sign * latency_tilts(pooled), ours, moved)[0])
        return np.concatenate(sides)

    score = latency_scores(known[0] + known[1])
    residual = residuals(score, ours, times(theirs, window.bounds, ratio=1.0, floor=floor, up=True))
    return track.taken(_at_margins(track, at), LATENCY_WEIGHTS, float(residual[0]))


def paired(track: Track, window: Window, metric: str, before: Tally) -> Track:
    """Pairs against a share; beyond chance only what the pairs before let expect."""
    found = window.paired(metric)
    if not found.of:
        return track

    def at(share: float) -> Floats:
        kept = min(max(share, 1e-9), 1 - 1e-9)
        return np.asarray(budget_e_values(_BOTH, found.bad, found.of, budget=kept), np.float64)

    return track.taken(_at_margins(track, at), LOG_ODDS_WEIGHTS, _surprise(found, before.count(metric, OURS)))


def _at_margins(track: Track, at: Callable[[float], Floats]) -> Floats:
    return np.stack([at(margin) for margin in track.margins])


def _surprise(now: Count, before: Count) -> float:
    share = (before.bad + 1) / (before.of + 2)
    return float((now.bad - now.of * share) / np.sqrt(now.of * share * (1 - share)))
