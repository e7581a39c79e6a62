"""What gateway and servers say in Prometheus' format, as readings of each arm's counters."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite

import urllib3
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pressrun.config.environment import GatewayMetrics
from pressrun.rollout.counters import ArmCounters, Reading
from pressrun.rollout.kubernetes.names import PORT

GATEWAY = "gateway"
UNANSWERED = (502, 503, 504)
TIMEOUT = 2.0
MOST_BYTES = 8_000_000
_pool = urllib3.PoolManager(num_pools=16, maxsize=4, retries=False, timeout=TIMEOUT)


class NotRead(Exception):
    """A source did not answer; the next reading makes up for it."""


def read(url: str) -> str:
    """The text of a metrics endpoint. Raises NotRead."""
    try:
        answer = _pool.request("GET", url, preload_content=False)
        text = answer.read(MOST_BYTES)
        answer.release_conn()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NotRead(f"{url} does not answer: {type(error).__name__}") from error
    if answer.status != 200:
        raise NotRead(f"{url} answers {answer.status}")
    return text.decode("utf-8", "replace")


def gateway_reading(text: str, named: GatewayMetrics, *, namespace: str, services: Mapping[str, str]) -> Reading:
    """Requests, failures (5xx) and latencies by arm. `services` are the arms by the names of their Services."""
    backends = {
        named.backend.format(namespace=namespace, service=name, port=PORT): arm for name, arm in services.items()
    }
    # A gateway forgets the counters of a backend that has left its route: then it is not there.
    tallies: dict[str, _Tally] = {}
    for sample in _samples(text, (named.requests, f"{named.seconds}_bucket")):
        arm = backends.get(sample.labels.get(named.backend_label, ""))
        code = sample.labels.get(named.code_label, "")
        if arm is not None and code.isdigit():
            tallies.setdefault(arm, _Tally()).add(sample, int(code), requests=named.requests)
    return _reading(GATEWAY, tallies)


def server_reading(pod: str, text: str, *, rollout: int, with_requests: bool) -> Reading:
    """What one server counted of the requests that it shadowed in this rollout.

    `with_requests`: also how each arm answered them, where no gateway can say; else only whether the answers agree.
    """
    names = ("pressrun_shadow_requests_total", "pressrun_shadow_seconds_bucket", "pressrun_shadow_pairs_total")
    tallies: dict[str, _Tally] = {}
    for sample in _samples(text, names):
        if sample.labels.get("rollout") != str(rollout):
            continue
        tally = tallies.setdefault(sample.labels["arm"], _Tally())
        if sample.name == names[2]:
            tally.pairs += int(sample.value)
            tally.disagreements += int(sample.value) * (sample.labels["agree"] == "false")
        elif with_requests:
            tally.add(sample, 200 if sample.labels.get("outcome") != "failed" else 500, requests=names[0])
    return _reading(f"shadow:{pod}", tallies)


def feature_rows(texts: Iterable[str]) -> dict[int, dict[str, tuple[int, int]]]:
    """By generation and feature: in how many of the articles that servers answered it was zero, and of how many."""
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for text in texts:
        for sample in _samples(text, ("pressrun_feature_rows_total",)):
            of = found.setdefault(int(sample.labels["generation"]), {})
            zero, rows = of.get(sample.labels["feature"], (0, 0))
            number = int(sample.value)
            of[sample.labels["feature"]] = (zero + number * (sample.labels["zero"] == "true"), rows + number)
    return found


@dataclass
class _Tally:
    """One arm while a text is read; `below` is cumulative by upper bound in seconds, as Prometheus has it."""

    requests: int = 0
    errors: int = 0
    unanswered: int = 0
    pairs: int = 0
    disagreements: int = 0
    below: dict[float, float] = field(default_factory=dict)

    def add(self, sample: Sample, code: int, *, requests: str) -> None:
        if sample.name == requests:
            self.requests += int(sample.value)
            self.errors += int(sample.value) * (code >= 500)
            self.unanswered += int(sample.value) * (code in UNANSWERED)
        else:
            bound = float(sample.labels["le"])
            self.below[bound] = self.below.get(bound, 0.0) + sample.value * (code < 500)

    def counters(self, bounds: tuple[float, ...]) -> ArmCounters:
        latencies, before = {}, 0.0
        for bound in sorted(self.below):
            bucket = bisect_left(bounds, bound * 1000) if isfinite(bound) else len(bounds)
            if number := int(self.below[bound] - before):
                latencies[bucket] = number
            before = self.below[bound]
        return ArmCounters(
            requests=self.requests, errors=self.errors, unanswered=self.unanswered, latencies=latencies,
            pairs=self.pairs, disagreements=self.disagreements,
        )  # fmt: skip


def _reading(source: str, tallies: Mapping[str, _Tally]) -> Reading:
    bounds = tuple(sorted({b * 1000 for tally in tallies.values() for b in tally.below if b != inf}))
    return Reading(
        source=source, bounds=bounds, arms={arm: tally.counters(bounds) for arm, tally in tallies.items()}
    )  # fmt: skip


def _samples(text: str, names: tuple[str, ...]) -> Iterator[Sample]:
    """The samples of these names; other families are not parsed. Raises NotRead for what is no such text."""
    kept = "\n".join(line for line in text.splitlines() if line.startswith(names))
    try:
        for family in text_string_to_metric_families(kept + "\n"):
            yield from (sample for sample in family.samples if sample.name in names)
    except ValueError as error:
        raise NotRead(f"these are no metrics: {error}") from error
