"""The judges: Pressrun's, and the field's, each as a statistic that may only alarm above a limit."""

from __future__ import annotations

from math import log

import numpy as np
from canary_traffic import SIGMA, Floats, Seen, Setting, Traffic, usual_buckets

from pressrun.stats.sequential import (
    LATENCY_WEIGHTS,
    LOG_ODDS,
    LOG_ODDS_WEIGHTS,
    count_e_values,
    factor,
    grown,
    latency_scores,
    latency_tilts,
    log_e_values,
    log_total,
    no_dispersion,
    residuals,
    widened,
)

ALPHA = 0.05
# Two metrics share alpha, for every judge whose limit is an alpha.
LIMIT = log(2 / ALPHA)
NEVER = -np.inf
EFFECT_LATENCY = log(1.2)
GROWTHBOOK_N = 5000
MINUTES = 30


class Ours:
    """Pressrun's bets, by the very functions that the rollout calls, on n canaries at a time; margins of zero."""

    def __init__(self, n: int) -> None:
        self._number, self._errors, self._latency = 0, None, None
        self._spread = [no_dispersion(n), no_dispersion(n)]
        self._tilts, self._scores = latency_tilts(usual_buckets()), latency_scores(usual_buckets())

    def errors(self, seen: Seen) -> Floats:
        """The log of the e-process after this window."""
        of = [np.full(len(seen.our_errors), number) for number in (seen.ours, seen.theirs)]
        log_e = count_e_values(LOG_ODDS, seen.our_errors, of[0], seen.their_errors, of[1])
        bad = seen.our_errors, seen.their_errors
        sides = [np.column_stack([number - count, count]) for number, count in zip(of, bad, strict=True)]
        log_e = log_e / factor(self._spread[0])[:, None]
        self._spread[0] = widened(self._spread[0], residuals([0, 1], *sides))
        number = self._spread[0].windows
        self._errors = grown(self._errors, log_e, number=number, log_weights=LOG_ODDS_WEIGHTS)
        return np.asarray(log_total(self._errors, number=number))

    def latency(self, seen: Seen) -> Floats:
        log_e = log_e_values(self._tilts, seen.our_buckets, seen.their_buckets) / factor(self._spread[1])[:, None]
        self._spread[1] = widened(self._spread[1], residuals(self._scores, seen.our_buckets, seen.their_buckets))
        number = self._spread[1].windows
        self._latency = grown(self._latency, log_e, number=number, log_weights=LATENCY_WEIGHTS)
        return np.asarray(log_total(self._latency, number=number))


class Msprt:
    """The mixture SPRT of Johari, Koomen, Pekelis and Walsh (2022) on cumulated means; two-sided, alarms for worse.

    `tau` are the standard deviations of the mixed effects; None takes the ratio of mixture to sampling variance from
    GrowthBook's tuning parameter, 5,000 by default, as in its asymptotic confidence sequences.
    """

    def __init__(self, n: int, tau: tuple[float, float] | None) -> None:
        self._tau, self._of = tau, [np.zeros(2), np.zeros(2)]
        self._bad, self._logs = np.zeros((2, n)), np.zeros((2, n))
        self._squares = np.zeros((2, n))

    def errors(self, seen: Seen) -> Floats:
        self._of[0] = self._of[0] + (seen.ours, seen.theirs)
        self._bad += (seen.our_errors, seen.their_errors)
        means = self._bad / self._of[0][:, None]
        variance = (means * (1 - means) / self._of[0][:, None]).sum(axis=0)
        return self._log_ratio(means[0] - means[1], variance, 0)

    def latency(self, seen: Seen) -> Floats:
        of, logs = np.array([seen.ours, seen.theirs]), np.array([seen.our_logs, seen.their_logs])
        self._of[1] = self._of[1] + of
        self._logs += of[:, None] * logs
        self._squares += of[:, None] * (logs**2 + SIGMA**2)
        means = self._logs / self._of[1][:, None]
        variance = ((self._squares / self._of[1][:, None] - means**2) / self._of[1][:, None]).sum(axis=0)
        return self._log_ratio(means[0] - means[1], variance, 1)

    def _log_ratio(self, difference: Floats, variance: Floats, metric: int) -> Floats:
        variance = np.maximum(variance, 1e-15)
        if self._tau is not None:
            ratio = self._tau[metric] ** 2 / variance
        else:
            alpha = ALPHA / 2
            rho = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / GROWTHBOOK_N
            ratio = np.full(len(variance), self._of[metric].sum() * rho)
        found = (difference**2 / variance * ratio / (1 + ratio) - np.log1p(ratio)) / 2
        return np.asarray(np.where(difference > 0, found, NEVER))


def minutes(setting: Setting, n: int, seed: int) -> dict[str, Floats]:
    """What a metrics server shows of n canaries, minute by minute (MINUTES, n): rates of errors, latencies."""
    windows = 12
    traffic = Traffic(setting, n, seed, seconds=60 / windows, period=MINUTES * windows, latency=False)
    shown: dict[str, list[Floats]] = {name: [] for name in ("ours", "theirs", "logs", "their_logs", "p99")}
    for _ in range(MINUTES):
        seen = [traffic.next() for _ in range(windows)]
        of = [sum(one.ours for one in seen), sum(one.theirs for one in seen)]
        shown["ours"].append(sum(one.our_errors for one in seen) / of[0])
        shown["theirs"].append(sum(one.their_errors for one in seen) / of[1])
        shown["logs"].append(np.mean([one.our_logs for one in seen], axis=0))
        shown["their_logs"].append(np.mean([one.their_logs for one in seen], axis=0))
        shown["p99"].append(np.exp(np.mean([np.log(one.our_p99) for one in seen], axis=0)))
    return {name: np.array(values) for name, values in shown.items()}


Looks = list[tuple[str, float, Floats, float]]


def flagger(shown: dict[str, Floats]) -> Looks:
    """Interval 1m, threshold 5, success rate at least 99%, p99 at most 500 ms: docs.flagger.app, Metrics analysis."""
    return [*_nth_worst("errors", shown["ours"], 5, 1, 0.01), *_nth_worst("latency", shown["p99"], 5, 1, 500.0)]


def argo(shown: dict[str, Floats]) -> Looks:
    """Interval 5m, success rate at least 95%, failureLimit 3: the fourth failure ends it. Argo Rollouts, Analysis."""
    fives = shown["ours"].reshape(MINUTES // 5, 5, -1).mean(axis=1)
    return _nth_worst("errors", fives, 4, 5, 0.05)


def _nth_worst(metric: str, values: Floats, times: int, every: int, limit: float) -> Looks:
    """At each look, the level which `times` of the looks so far were above."""
    looks = range(times, len(values) + 1)
    return [(metric, look * every * 60.0, np.sort(values[:look], axis=0)[-times], limit) for look in looks]


def kayenta(shown: dict[str, Floats]) -> Looks:
    """Netflix's judge every five minutes on the minutes so far: Mann-Whitney at 0.98, tolerance 0.25."""
    limit = 2.3263
    both = (("errors", "ours", "theirs"), ("latency", "logs", "their_logs"))
    return [
        (metric, look * 60.0, _mann_whitney(_level(shown[a], a)[:look], _level(shown[b], b)[:look]), limit)
        for metric, a, b in both
        for look in range(5, MINUTES + 1, 5)
    ]


def _level(values: Floats, name: str) -> Floats:
    return np.asarray(np.exp(values)) if "logs" in name else values


def _mann_whitney(ours: Floats, theirs: Floats) -> Floats:
    """How sure it is that the shift is beyond the tolerance, in standard deviations of the rank sum."""
    count = len(ours)
    differences = (ours[:, None] - theirs[None]).reshape(count * count, -1)
    tolerated = 0.25 * np.abs(np.median(differences, axis=0))
    below = (differences <= tolerated).sum(axis=0)
    return np.asarray((count**2 / 2 - below) / np.sqrt(count**2 * (2 * count + 1) / 12))
