"""Series that each request counts in, for Prometheus.

prometheus_client's own, each with a lock, would take as long as checking the request does. These are plain numbers of
the server's one event loop, made into the library's families when somebody looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString


class Tally(Collector):
    """A counter: `counts[labels] += 1`."""

    def __init__(self, name: str, told: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._name, self._told, self._labels = name, told, labels
        self.counts: dict[tuple[str, ...], int] = defaultdict(int)
        registry.register(self)

    def forget(self, *first: str) -> None:
        """Drops the series whose first labels are these."""
        for gone in [labels for labels in self.counts if labels[: len(first)] == first]:
            del self.counts[gone]

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._told, labels=self._labels)
        for labels, number in self.counts.items():
            family.add_metric(labels, number)
        yield family


class Durations(Collector):
    """A histogram of seconds by `bounds`, each bucket with its bound."""

    def __init__(
        self, name: str, told: str, labels: Sequence[str], *, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._told, self._labels, self._bounds = name, told, labels, bounds
        self._counts: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0] * (len(bounds) + 2))
        registry.register(self)

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        mine = self._counts[labels]
        mine[bisect_left(self._bounds, seconds)] += 1
        mine[-1] += seconds

    def forget(self, *first: str) -> None:
        """Drops the series whose first labels are these."""
        for gone in [labels for labels in self._counts if labels[: len(first)] == first]:
            del self._counts[gone]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._told, labels=self._labels)
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, (*counts, total) in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), sum_value=total)
        yield family


class Told(Collector):
    """A gauge of what `tell` says when somebody looks; what it tells twice of the same labels is added up."""

    def __init__(self, name: str, told: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._name, self._told, self._labels = name, told, labels
        self.tell: Callable[[], Iterable[tuple[tuple[str, ...], int]]] = tuple
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        family, numbers = GaugeMetricFamily(self._name, self._told, labels=self._labels), Counter[tuple[str, ...]]()
        for labels, number in self.tell():
            numbers[labels] += number
        for labels, number in numbers.items():
            family.add_metric(labels, number)
        yield family
