"""Simulated canaries: windows of two arms that share a rate which moves, or does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

TRAFFICS = ("independent", "ar1_0.5", "ar1_0.8", "diurnal")
BASE_RATES = (0.002, 0.01, 0.05)
REQUESTS, SHARE = 1000, 0.1
MEDIAN_MS, SIGMA = 20.0, 0.5
# What a shared moment does: one standard deviation moves the error rate by 1.5 and the latency by a tenth.
RATE_SWING, LATENCY_SWING = np.log(1.5), 0.1
BOUNDS = tuple(MEDIAN_MS * np.exp(SIGMA * np.linspace(-2.4, 2.4, 15)))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`errors` and `slower` are factors on the candidate's; `crash`: it answers nothing; `own`: latents of each arm."""

    traffic: str
    base: float
    errors: float = 1.0
    slower: float = 1.0
    crash: bool = False
    own: bool = False
    requests: int = REQUESTS


class Latents:
    """The moment's state of `n` canaries, one window after the other: standard normal, or a day's sine wave."""

    def __init__(self, traffic: str, n: int, rng: np.random.Generator, period: int) -> None:
        self._traffic, self._rng, self._period = traffic, rng, period
        self._phase, self._state, self._number = rng.uniform(0, 2 * np.pi, n), rng.normal(size=n), 0

    def next(self) -> Floats:
        self._number += 1
        if self._traffic == "independent":
            return np.zeros(len(self._state))
        if self._traffic == "diurnal":
            return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * self._number / self._period + self._phase))
        rho = float(self._traffic.removeprefix("ar1_"))
        self._state = rho * self._state + np.sqrt(1 - rho**2) * self._rng.normal(size=len(self._state))
        return self._state


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One window of n canaries: requests of each arm, errors (n,), latencies by bucket (n, b), means of their logs."""

    ours: int
    theirs: int
    our_errors: Counts
    their_errors: Counts
    our_buckets: Counts | None
    their_buckets: Counts | None
    our_logs: Floats
    their_logs: Floats
    our_p99: Floats


class Traffic:
    """Windows of `seconds` at the setting's requests a second, a tenth to the candidate; half more or less by day."""

    def __init__(
        self, setting: Setting, n: int, seed: int, *, seconds: float = 1.0, period: int = 240, latency: bool = True
    ) -> None:
        self.setting, self._n, self._rng = setting, n, np.random.default_rng(seed)
        self._seconds, self._period, self._number, self._latency = seconds, period, 0, latency
        self._latents = [Latents(setting.traffic, n, self._rng, period) for _ in range(1 + setting.own)]

    def volume(self) -> tuple[int, int]:
        day = 1 + 0.5 * np.sin(2 * np.pi * self._number / self._period) if self.setting.traffic == "diurnal" else 1.0
        total = round(self.setting.requests * self._seconds * day)
        ours = max(1, round(SHARE * total))
        return ours, total - ours

    def next(self) -> Seen:
        self._number += 1
        latents = [one.next() for one in self._latents]
        mine, other = latents[0], latents[-1]
        (ours, theirs), s = self.volume(), self.setting
        # So that the mean over moments is the base rate, whatever the swing.
        moving = 0.0 if s.traffic == "independent" else RATE_SWING
        at = [np.minimum(s.base * np.exp(moving * one - moving**2 / 2), 0.5) for one in (mine, other)]
        our_rate = np.ones(self._n) if s.crash else np.minimum(at[0] * s.errors, 1.0)
        shifts = LATENCY_SWING * mine + np.log(s.slower), LATENCY_SWING * other
        buckets = [self._buckets(of, shift) for of, shift in zip((ours, theirs), shifts, strict=True)]
        logs = [shift + SIGMA * self._rng.normal(size=self._n) / np.sqrt(of) for of, shift in
                zip((ours, theirs), shifts, strict=True)]  # fmt: skip
        p99 = MEDIAN_MS * np.exp(shifts[0] + SIGMA * (2.326 + 3.73 * self._rng.normal(size=self._n) / np.sqrt(ours)))
        return Seen(
            ours=ours, theirs=theirs, our_errors=self._rng.binomial(ours, our_rate),
            their_errors=self._rng.binomial(theirs, at[1]), our_buckets=buckets[0], their_buckets=buckets[1],
            our_logs=logs[0], their_logs=logs[1], our_p99=p99,
        )  # fmt: skip

    def _buckets(self, requests: int, shift: Floats) -> Counts | None:
        if not self._latency:
            return None
        edges = ndtr((np.log(np.array(BOUNDS) / MEDIAN_MS) - shift[:, None]) / SIGMA)
        chances = np.diff(edges, axis=1, prepend=0.0, append=1.0)
        return self._rng.multinomial(requests, chances / chances.sum(axis=1, keepdims=True))


def usual_buckets() -> Floats:
    """What the champion's latencies looked like before the canary, as shares of a thousand requests."""
    edges = ndtr((np.log(np.array(BOUNDS) / MEDIAN_MS)) / SIGMA)
    return np.asarray(1000 * np.diff(edges, prepend=0.0, append=1.0))
