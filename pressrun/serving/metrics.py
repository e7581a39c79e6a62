"""What a model server counts, for Prometheus; every series names model, version and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pressrun.agreement import Compared
from pressrun.serving.protocol import Identity

M = TypeVar("M", Counter, Histogram)
_LABELS = ("model", "version", "arm")
_SHADOW = ("rollout", "arm")
# Answers of a rollout that has just ended may still be on their way when the next one begins.
MOST_ROLLOUTS = 2
# A sixth apart each, from a millisecond to ten seconds: fine enough to compare two arms by.
_FINE = tuple(round(0.001 * 1.18**step, 6) for step in range(57))
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The counters of one server."""

    def __init__(self, identity: Identity) -> None:
        self.registry = CollectorRegistry()
        self._identity = identity
        self._requests = Counter(
            "pressrun_requests", "Requests answered.", (*_LABELS, "shadow", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "pressrun_request_seconds", "Seconds from a request's body to its answer.", _LABELS,
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._rows = Counter("pressrun_predictions", "Articles scored.", (*_LABELS, "label"), registry=self.registry)
        self._unlogged = Counter(
            "pressrun_predictions_unlogged", "Articles scored whose rows could not be logged.", _LABELS,
            registry=self.registry,
        )  # fmt: skip
        self._features = Counter(
            "pressrun_feature_rows", "Articles by feature.", ("generation", "feature", "zero"), registry=self.registry
        )
        self._shadowed = Counter(
            "pressrun_shadow_requests", "Shadow requests sent.", (*_SHADOW, "outcome"), registry=self.registry
        )
        self._shadow_seconds = Histogram(
            "pressrun_shadow_seconds", "Seconds to a shadow request's answer.", _SHADOW,
            buckets=_FINE, registry=self.registry,
        )  # fmt: skip
        self._pairs = Counter(
            "pressrun_shadow_pairs",
            "Answers compared with another arm's.",
            (*_SHADOW, "agree", "declined"),
            registry=self.registry,
        )
        self._series: dict[int, set[tuple[Counter | Histogram, tuple[str, ...]]]] = {}
        self._pending = Gauge("pressrun_pending_requests", "Requests waiting.", _LABELS, registry=self.registry)

    def answered(self, *, arm: str, shadow: bool, status: int, seconds: float) -> None:
        names = self._names(arm)
        self._requests.labels(*names, str(shadow).lower(), str(status)).inc()
        self._seconds.labels(*names).observe(seconds)

    def predicted(self, *, arm: str, labels: list[str]) -> None:
        for label in labels:
            self._rows.labels(*self._names(arm), label).inc()

    def unlogged(self, *, arm: str, rows: int) -> None:
        """Counts what the table `predictions` will lack."""
        self._unlogged.labels(*self._names(arm)).inc(rows)

    def described(self, features: Sequence[Mapping[str, float]]) -> None:
        """Counts each feature of each article, and whether it is zero: one that always is may have been lost."""
        for row in features:
            for name, value in row.items():
                zero = str(not value).lower()
                self._features.labels(str(self._identity.generation), name, zero).inc()

    def shadowed(self, *, rollout: int, arm: str, failed: bool, seconds: float) -> None:
        self._of(self._shadowed, rollout, arm, "failed" if failed else "answered").inc()
        if not failed:
            self._of(self._shadow_seconds, rollout, arm).observe(seconds)

    def paired(self, *, rollout: int, arm: str, both: Compared) -> None:
        """An answer may hold many articles: of each it is told whether the arms agree and whether one declined."""
        for (agree, declined), number in both.kinds.items():
            self._of(self._pairs, rollout, arm, str(agree).lower(), str(declined).lower()).inc(number)

    def pending(self, count: int) -> None:
        self._pending.labels(*self._names(self._identity.arm)).set(count)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _of(self, counted: M, rollout: int, *more: str) -> M:
        """The rollout's series. A server outlives many rollouts: series of those before the last one are dropped."""
        labels = (str(rollout), *more)
        self._series.setdefault(rollout, set()).add((counted, labels))
        while len(self._series) > MOST_ROLLOUTS:
            for one, past in self._series.pop(next(iter(self._series))):
                one.remove(*past)
        return counted.labels(*labels)

    def _names(self, arm: str) -> tuple[str, str, str]:
        return (self._identity.model, self._identity.version, arm)
