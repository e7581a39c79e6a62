"""What has been seen of a rollout's traffic, small enough to persist, and how one more window is taken into it.

The unit is the window: what one sender (the router, a gateway) counted of all arms in about a second or two. It is not
the request, since the requests of one moment share its troubles. `Evidence.take` is pure, and a window counts once
whatever is replayed: its source and sequence are remembered. So a controller that died and came back, or read the same
numbers twice, spends no error probability twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pressrun.config.pipeline import Rollout
from pressrun.rollout.bets import counted, latency, outcome, paired
from pressrun.rollout.tracks import Track, track_of
from pressrun.rollout.windows import (
    ABSTENTION,
    DISAGREEMENT,
    ERRORS,
    LATENCY,
    OURS,
    PAIRED,
    THEIRS,
    ArmWindow,
    Count,
    Tally,
    Window,
    histogram,
)
from pressrun.stats.sequential import BOUNDS

__all__ = ["ALPHA", "ArmWindow", "Count", "Evidence", "Window", "alphas_of", "budgets_of", "estimate"]

ALPHA = 0.05
# How the rollout's one alpha is shared by the metrics that are in play; each of the rest gets the last one.
_PARTS = {ERRORS: 4.0, LATENCY: 4.0, DISAGREEMENT: 1.0, ABSTENTION: 1.0}
_PART = 1.0
RATES = (-0.05, -0.01, 0.0, 0.01, 0.03, 0.1, 0.3)
RATIOS = (0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
SHARES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
# More than report at once: a source that is forgotten would count again what it has said before.
MOST_SOURCES = 64


class Evidence(BaseModel):
    """All windows so far. `step` is what has been seen since the present step began, for its estimates.

    `apart` windows had a champion of an earlier time beside them; `missing`, `stale` and `reset` ones said nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequences: dict[str, int] = Field(default_factory=dict)
    tracks: dict[str, Track] = Field(default_factory=dict)
    total: Tally = Tally()
    step: Tally = Tally()
    apart: int = 0
    missing: int = 0
    stale: int = 0
    reset: int = 0

    def take(self, window: Window, policy: Rollout) -> Evidence:
        """With one more window; the very same window again changes nothing."""
        last = self.sequences.get(window.source)
        if last is not None and window.sequence <= last:
            return self if window.sequence == last else self._noted("stale")
        gap = window.sequence - last - 1 if last is not None else 0
        sources = {**{k: v for k, v in self.sequences.items() if k != window.source}, window.source: window.sequence}
        kept = dict(list(sources.items())[-MOST_SOURCES:])
        known = self.model_copy(update={"sequences": kept, "missing": self.missing + gap})
        if window.problem is not None:
            return known._noted(window.problem)
        return known._used(window, policy)

    def caught_up(self, windows: Iterable[Window], policy: Rollout) -> Evidence:
        """With those of a list that have not been taken yet; the list may be given again and again."""
        found = self
        for window in windows:
            if window.sequence > found.sequences.get(window.source, -1):
                found = found.take(window, policy)
        return found

    def entered(self) -> Evidence:
        """At the beginning of a step: what was bet goes on, the step's own counts begin."""
        return self.model_copy(update={"step": Tally()})

    def _noted(self, problem: str) -> Evidence:
        return self.model_copy(update={problem: getattr(self, problem) + 1})

    def _used(self, window: Window, policy: Rollout) -> Evidence:
        metrics = budgets_of(policy)
        tracks = {metric: self._tracked(metric, budget, window, policy) for metric, budget in metrics.items()}
        update = {
            "tracks": tracks,
            "total": self.total.plus(window, metrics),
            "step": self.step.plus(window, metrics),
            "apart": self.apart + (not window.concurrent),
        }
        return self.model_copy(update=update)._looked(policy)

    def _tracked(self, metric: str, budget: float, window: Window, policy: Rollout) -> Track:
        if metric == LATENCY:
            track = self.tracks.get(metric) or track_of(RATIOS, budget)
            return latency(track, window, self.total, policy.budgets.latency_floor_ms)
        if metric in PAIRED:
            return paired(self.tracks.get(metric) or track_of(SHARES, budget), window, metric, self.total)
        bet = outcome if metric in policy.budgets.outcomes else counted
        return bet(self.tracks.get(metric) or track_of(RATES, budget), window, metric)

    def _looked(self, policy: Rollout) -> Evidence:
        alphas = alphas_of(policy)
        looked = {
            metric: track.looked(estimate(self.total, metric, policy), alphas[metric], ALPHA - alphas[metric])
            for metric, track in self.tracks.items()
        }
        return self.model_copy(update={"tracks": looked})


def budgets_of(policy: Rollout) -> dict[str, float]:
    """The metrics in play, with their budgets."""
    budgets = policy.budgets
    found = {ERRORS: budgets.error_rate, LATENCY: budgets.latency_ratio}
    if policy.shadow:
        found[DISAGREEMENT] = budgets.disagreement
        if budgets.abstention is not None:
            found[ABSTENTION] = budgets.abstention
    return {**found, **budgets.outcomes}


def alphas_of(policy: Rollout) -> dict[str, float]:
    """Each metric's share of `ALPHA`; they add up to it, so that a whole rollout alarms falsely no oftener."""
    parts = {metric: _PARTS.get(metric, _PART) for metric in budgets_of(policy)}
    return {metric: ALPHA * part / sum(parts.values()) for metric, part in parts.items()}


def estimate(tally: Tally, metric: str, policy: Rollout) -> float | None:
    """The difference of shares, the ratio of typical (geometric mean) latencies, or the share of pairs.

    Of an outcome it is the share of what goes well at the champion that the candidate loses, below 0 if it wins.
    """
    if metric == LATENCY:
        return _typical_ratio(tally, policy.budgets.latency_floor_ms)
    ours = tally.count(metric, OURS).share
    theirs = 0.0 if metric in PAIRED else tally.count(metric, THEIRS).share
    if ours is None or theirs is None:
        return None
    return _lost(ours, theirs) if metric in policy.budgets.outcomes else ours - theirs


def _lost(ours: float, theirs: float) -> float:
    """By shares of what goes badly; where it is better, of what goes well with itself."""
    return 0.0 if ours == theirs else (ours - theirs) / (1 - min(ours, theirs))


def _typical_ratio(tally: Tally, floor: float) -> float | None:
    means = []
    for arm in (OURS, THEIRS):
        counts = histogram(tally.latencies.get(arm, {}), BOUNDS)
        if not counts.sum():
            return None
        values = np.log(np.maximum([*BOUNDS, BOUNDS[-1]], floor))
        means.append(float(counts @ values / counts.sum()))
    return float(np.exp(means[0] - means[1]))
