"""What gateway and servers say in Prometheus' format, as readings of each arm's counters."""

from __future__ import annotations

import time
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
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION

GATEWAY, SHADOW = "gateway", "shadow:"
UNANSWERED = (502, 503, 504)
TIMEOUT = 2.0
MOST_BYTES = 8_000_000
_PART = 1 << 16
_ARMS = (CANDIDATE, BASELINE, CHAMPION)
_pool = urllib3.PoolManager(num_pools=16, maxsize=4, retries=False, timeout=TIMEOUT)


class NotRead(Exception):
    """A source did not answer; the next reading makes up for it."""


def read(url: str) -> str:
    """The text of a metrics endpoint, whole and within `TIMEOUT` seconds or so. Raises NotRead."""
    try:
        answer = _pool.request("GET", url, preload_content=False)
        text = _whole(answer, url)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NotRead(f"{url} does not answer: {type(error).__name__}") from error
    if answer.status != 200:
        raise NotRead(f"{url} answers {answer.status}")
    return text.decode("utf-8", "replace")


def _whole(answer: urllib3.BaseHTTPResponse, url: str) -> bytes:
    """Half of the counters would look as if they had begun anew, and later as much traffic at once."""
    parts, until = bytearray(), time.monotonic() + TIMEOUT
    try:
        while part := answer.read1(_PART):
            parts += part
            if len(parts) > MOST_BYTES:
                raise NotRead(f"{url} says more than {MOST_BYTES} bytes")
            if time.monotonic() > until:
                raise NotRead(f"{url} has not said all within {TIMEOUT:.0f} s")
    except NotRead:
        answer.close()
        raise
    answer.release_conn()
    return bytes(parts)


def gateway_reading(text: str, named: GatewayMetrics, *, namespace: str, services: Mapping[str, str]) -> Reading:
    """Requests, failures (5xx) and latencies by arm. `services` are the arms by the names of their Services.

    Raises NotRead for what is no such text.
    """
    backends = {
        named.backend.format(namespace=namespace, service=name, port=PORT): arm for name, arm in services.items()
    }
    # A gateway forgets the counters of a backend that has left its route: then it is not there.
    tallies: dict[str, _Tally] = {}
    for sample in _samples(text, (named.requests, f"{named.seconds}_bucket")):
        arm = backends.get(sample.labels.get(named.backend_label, ""))
        code = sample.labels.get(named.code_label, "")
        if arm is not None and code.isascii() and code.isdigit():
            tallies.setdefault(arm, _Tally()).add(sample, int(code), requests=named.requests)
    return _reading(GATEWAY, tallies, unit=1.0 if named.unit == "milliseconds" else 1000.0)


def server_reading(pod: str, text: str, *, rollout: int) -> Reading:
    """What one server counted of the requests that it shadowed in this rollout: how each arm answered, who agreed, who
    declined.

    Raises NotRead for what is no such text.
    """
    names = ("pressrun_shadow_requests_total", "pressrun_shadow_seconds_bucket", "pressrun_shadow_pairs_total")
    tallies: dict[str, _Tally] = {}
    for sample in _samples(text, names):
        arm = sample.labels.get("arm", "")
        if sample.labels.get("rollout") != str(rollout) or arm not in _ARMS:
            continue
        tally = tallies.setdefault(arm, _Tally())
        if sample.name == names[2]:
            tally.pairs += int(sample.value)
            tally.disagreements += int(sample.value) * (sample.labels.get("agree") == "false")
            tally.declined += int(sample.value) * (sample.labels.get("declined") == "true")
        else:
            tally.add(sample, 200 if sample.labels.get("outcome") != "failed" else 500, requests=names[0])
    return _reading(f"{SHADOW}{pod}", tallies, unit=1000.0)


def feature_rows(texts: Iterable[str]) -> dict[int, dict[str, tuple[int, int]]]:
    """By generation and feature: in how many of the articles that servers answered it was zero, and of how many.

    Raises NotRead for what is no such text.
    """
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for text in texts:
        for sample in _samples(text, ("pressrun_feature_rows_total",)):
            of = found.setdefault(_generation(sample), {})
            name, number = sample.labels.get("feature", ""), int(sample.value)
            zero, rows = of.get(name, (0, 0))
            of[name] = (zero + number * (sample.labels.get("zero") == "true"), rows + number)
    return found


def _generation(sample: Sample) -> int:
    said = sample.labels.get("generation", "")
    if not (said.isascii() and said.isdigit()):
        raise NotRead(f"these are no metrics of ours: generation {said[:40]!r}")
    return int(said[:9])


@dataclass
class _Tally:
    """One arm while a text is read; `below` is cumulative by upper bound in the source's unit, as Prometheus has it."""

    requests: int = 0
    errors: int = 0
    unanswered: int = 0
    pairs: int = 0
    disagreements: int = 0
    declined: int = 0
    below: dict[float, float] = field(default_factory=dict)

    def add(self, sample: Sample, code: int, *, requests: str) -> None:
        if sample.name == requests:
            self.requests += int(sample.value)
            self.errors += int(sample.value) * (code >= 500)
            self.unanswered += int(sample.value) * (code in UNANSWERED)
        else:
            bound = _bound(sample)
            self.below[bound] = self.below.get(bound, 0.0) + sample.value * (code < 500)

    def counters(self, bounds: tuple[float, ...], unit: float) -> ArmCounters:
        latencies, before = {}, 0.0
        for bound in sorted(self.below):
            bucket = bisect_left(bounds, bound * unit) if isfinite(bound) else len(bounds)
            if number := int(self.below[bound] - before):
                latencies[bucket] = number
            before = self.below[bound]
        return ArmCounters(
            requests=self.requests, errors=self.errors, unanswered=self.unanswered, latencies=latencies,
            pairs=self.pairs, disagreements=self.disagreements, declined=self.declined,
        )  # fmt: skip


def _bound(sample: Sample) -> float:
    try:
        return float(sample.labels.get("le", ""))
    except ValueError as error:
        raise NotRead(f"these are no metrics: {sample.name} has no bound") from error


def _reading(source: str, tallies: Mapping[str, _Tally], *, unit: float) -> Reading:
    """`unit` is that of the source's bounds, in milliseconds."""
    bounds = tuple(sorted({b * unit for tally in tallies.values() for b in tally.below if b != inf}))
    arms = {arm: tally.counters(bounds, unit) for arm, tally in tallies.items()}
    return Reading(source=source, bounds=bounds, arms=arms)


def _samples(text: str, names: tuple[str, ...]) -> Iterator[Sample]:
    """The samples of these names; other families are not parsed. Raises NotRead for what is no such text."""
    kept = "\n".join(line for line in text.split("\n") if line.startswith(names))
    try:
        for family in text_string_to_metric_families(kept + "\n"):
            for sample in family.samples:
                if sample.name in names:
                    yield _counted(sample)
    except (ValueError, LookupError, TypeError) as error:
        raise NotRead(f"these are no metrics: {str(error)[:200]}") from error


def _counted(sample: Sample) -> Sample:
    if not isfinite(sample.value) or sample.value < 0:
        raise NotRead(f"these are no metrics: {sample.name} is {sample.value}")
    return sample
