"""What a model server counts, for Prometheus; every series names model, version and arm."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pressrun.serving.protocol import Identity

_LABELS = ("model", "version", "arm")
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
        self._pending = Gauge("pressrun_pending_requests", "Requests waiting.", _LABELS, registry=self.registry)

    def answered(self, *, arm: str, shadow: bool, status: int, seconds: float) -> None:
        names = self._names(arm)
        self._requests.labels(*names, str(shadow).lower(), str(status)).inc()
        self._seconds.labels(*names).observe(seconds)

    def predicted(self, *, arm: str, labels: list[str]) -> None:
        for label in labels:
            self._rows.labels(*self._names(arm), label).inc()

    def pending(self, count: int) -> None:
        self._pending.labels(*self._names(self._identity.arm)).set(count)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _names(self, arm: str) -> tuple[str, str, str]:
        return (self._identity.model, self._identity.version, arm)
