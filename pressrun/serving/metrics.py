"""What a model server counts, for Prometheus; every series of a model names model, version and arm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from pressrun.agreement import Compared
from pressrun.serving.protocol import Identity
from pressrun.serving.tallies import Durations, Tally, Told

M = TypeVar("M", Counter, Histogram)
_LABELS = ("model", "version", "arm")
_SHADOW = ("rollout", "arm")
# Answers of a rollout that has just ended may still be on their way when the next one begins.
MOST_ROLLOUTS = 2
# A sixth apart each, from a millisecond to ten seconds: fine enough to compare two arms by.
_FINE = tuple(round(0.001 * 1.18**step, 6) for step in range(57))
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)
_UNLOGGED = "Rows scored that could not be logged: answered all the same, or refused where the log is to be durable."


class Metrics:
    """The counters of one server process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, histogram = partial(Counter, registry=self.registry), partial(Histogram, registry=self.registry)
        tally = partial(Tally, registry=self.registry)
        self.requests = tally("pressrun_requests", "Requests answered.", (*_LABELS, "shadow", "status"))
        self.seconds = Durations(
            "pressrun_request_seconds", "Seconds from a request's body to its answer.", _LABELS, bounds=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self.rows = tally("pressrun_predictions", "Rows scored.", (*_LABELS, "label"))
        self.unlogged = counter("pressrun_predictions_unlogged", _UNLOGGED, _LABELS)
        self.features = tally("pressrun_feature_rows", "Articles by feature.", ("generation", "feature", "zero"))
        self.waiting = Told("pressrun_pending_requests", "Requests waiting.", _LABELS, registry=self.registry)
        self.batch_rows = histogram("pressrun_batch_rows", "Rows scored at once.", _LABELS[:2], buckets=_ROWS)
        self.batch_seconds = histogram(
            "pressrun_batch_seconds", "Seconds to score a batch.", _LABELS[:2], buckets=BUCKETS
        )
        self.cached = counter("pressrun_cache", "Requests by whether the answer was known.", (*_LABELS[:2], "result"))
        self.swaps = counter("pressrun_swaps", "Times that the models file was read, by what came of it.", ("outcome",))
        self._shadowed = counter("pressrun_shadow_requests", "Shadow requests sent.", (*_SHADOW, "outcome"))
        self._shadow_seconds = histogram(
            "pressrun_shadow_seconds", "Seconds to a shadow request's answer.", _SHADOW, buckets=_FINE
        )
        self._pairs = counter(
            "pressrun_shadow_pairs", "Answers compared with another arm's.", (*_SHADOW, "agree", "declined")
        )
        self._series: dict[int, set[tuple[Counter | Histogram, tuple[str, ...]]]] = {}
        self._models: dict[tuple[str, str], set[tuple[Any, tuple[str, ...]]]] = defaultdict(set)

    def of(self, identity: Identity) -> ModelMetrics:
        """What is counted of one model. It has no series before something is."""
        return ModelMetrics(self, identity)

    def count_waiting(self, tell: Callable[[], Iterable[tuple[Identity, int]]]) -> None:
        """`tell` says, whenever somebody looks, how many requests of each model wait or run."""
        self.waiting.tell = lambda: (((one.model, one.version, one.arm), number) for one, number in tell())

    def swapped(self, *, outcome: str) -> None:
        self.swaps.labels(outcome).inc()

    def shadowed(self, *, rollout: int, arm: str, failed: bool, seconds: float) -> None:
        self._of(self._shadowed, rollout, arm, "failed" if failed else "answered").inc()
        if not failed:
            self._of(self._shadow_seconds, rollout, arm).observe(seconds)

    def paired(self, *, rollout: int, arm: str, both: Compared) -> None:
        """An answer may hold many articles: of each it is told whether the arms agree and whether one declined."""
        for (agree, declined), number in both.kinds.items():
            self._of(self._pairs, rollout, arm, str(agree).lower(), str(declined).lower()).inc(number)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def child(self, who: tuple[str, str], counted: Any, *labels: str) -> Any:
        """The series, which goes with its model's version."""
        self._models[who].add((counted, labels))
        return counted.labels(*labels)

    def forget(self, who: tuple[str, str]) -> None:
        """The series of a model's version go with it: a server outlives many."""
        for series in (self.requests, self.seconds, self.rows):
            series.forget(*who)
        for counted, labels in self._models.pop(who, ()):
            counted.remove(*labels)

    def _of(self, counted: M, rollout: int, *more: str) -> M:
        """The rollout's series. A server outlives many rollouts: series of those before the last one are dropped."""
        labels = (str(rollout), *more)
        self._series.setdefault(rollout, set()).add((counted, labels))
        while len(self._series) > MOST_ROLLOUTS:
            for one, past in self._series.pop(next(iter(self._series))):
                one.remove(*past)
        return counted.labels(*labels)


class ModelMetrics:
    """What is counted of one model version. Series are looked up once: a request has microseconds."""

    def __init__(self, all_of: Metrics, identity: Identity) -> None:
        self._all, self._who = all_of, (identity.model, identity.version)
        self._identity = identity
        self._child: Callable[..., Any] = lru_cache(maxsize=4096)(partial(all_of.child, self._who))

    def answered(self, *, arm: str, shadow: bool, status: int, seconds: float) -> None:
        who = (*self._who, arm)
        self._all.requests.counts[*who, "true" if shadow else "false", str(status)] += 1
        self._all.seconds.observe(who, seconds)

    def predicted(self, *, arm: str, labels: Sequence[str]) -> None:
        for label in labels:
            self._all.rows.counts[*self._who, arm, label] += 1

    def unlogged(self, *, arm: str, rows: int) -> None:
        """Counts what could not be logged, whether it was answered or refused for that."""
        self._child(self._all.unlogged, *self._who, arm).inc(rows)

    def described(self, features: Sequence[Mapping[str, float]]) -> None:
        """Counts each feature of each article, and whether it is zero: one that always is may have been lost.

        They are a generation's, not a model's, and stay when this one goes.
        """
        counts, generation = self._all.features.counts, str(self._identity.generation)
        for row in features:
            for name, value in row.items():
                counts[generation, name, "false" if value else "true"] += 1

    def batched(self, rows: int, seconds: float) -> None:
        self._child(self._all.batch_rows, *self._who).observe(rows)
        self._child(self._all.batch_seconds, *self._who).observe(seconds)

    def cached(self, result: str) -> None:
        self._child(self._all.cached, *self._who, result).inc()

    def forget(self) -> None:
        self._all.forget(self._who)
