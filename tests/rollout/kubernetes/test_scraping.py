"""What a gateway and servers say in Prometheus' format, well formed or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.agreement import Compared
from pressrun.config.environment import GatewayMetrics
from pressrun.rollout.counters import Reading
from pressrun.rollout.kubernetes import scraping
from pressrun.rollout.kubernetes.scraping import NotRead, feature_rows, gateway_reading, read, server_reading
from pressrun.serving.metrics import Metrics
from pressrun.serving.protocol import Identity

TRAEFIK = GatewayMetrics(url="http://10.77.0.1:18082/metrics")
SERVICES = {"topics-g3": "candidate", "topics-g2": "champion"}


def line(service: str, value: object, *, code: int = 200, method: str = "POST", le: str | None = None) -> str:
    """As Traefik writes it."""
    name = "traefik_service_requests_total" if le is None else "traefik_service_request_duration_seconds_bucket"
    labels = f'code="{code}",method="{method}",protocol="http",service="{service}-http-8080@kubernetesgateway"'
    return f"{name}{{{labels}{f',le={chr(34)}{le}{chr(34)}' if le else ''}}} {value}"


def of_gateway(*lines: str, named: GatewayMetrics = TRAEFIK) -> Reading:
    return gateway_reading("\n".join(lines) + "\n", named, namespace="news", services=SERVICES)


def test_requests_failures_and_what_got_no_answer_are_told_by_code_whatever_the_method() -> None:
    found = of_gateway(
        "# TYPE traefik_service_requests_total counter",
        line("news-topics-g3", 45), line("news-topics-g3", 5, method="GET"), line("news-topics-g3", 7, code=404),
        line("news-topics-g3", 2, code=500), line("news-topics-g3", 3, code=502), line("news-topics-g2", 400),
    )  # fmt: skip
    candidate = found.arms["candidate"]
    assert (candidate.requests, candidate.errors, candidate.unanswered) == (62, 5, 3)
    assert found.arms["champion"].requests == 400
    assert found.source == "gateway"


def test_buckets_of_several_methods_and_codes_add_up_and_failures_have_no_latency() -> None:
    found = of_gateway(
        line("news-topics-g3", 10, le="0.001"), line("news-topics-g3", 25, le="0.002512"),
        line("news-topics-g3", 45, le="+Inf"),
        line("news-topics-g3", 1, le="0.001", method="GET"), line("news-topics-g3", 4, le="0.002512", method="GET"),
        line("news-topics-g3", 4, le="+Inf", method="GET"),
        line("news-topics-g3", 9, le="0.001", code=502), line("news-topics-g3", 9, le="0.002512", code=502),
        line("news-topics-g3", 9, le="+Inf", code=502),
    )  # fmt: skip
    assert found.bounds == (1.0, 2.512)
    assert found.arms["candidate"].latencies == {0: 11, 1: 18, 2: 20}


def test_series_of_other_services_routes_and_namespaces_are_left_alone() -> None:
    found = of_gateway(
        line("news-topics-g1", 45),
        line("other-topics-g3", 45),
        'traefik_router_requests_total{code="503",service="news-topics-g3-http-8080@kubernetesgateway"} 5',
        'traefik_service_requests_bytes_total{code="200",service="news-topics-g3-http-8080@kubernetesgateway"} 5',
        'traefik_entrypoint_requests_total{code="503",entrypoint="web",method="POST",protocol="http"} 5',
    )
    assert found.arms == {}


ISTIO = GatewayMetrics(
    url="http://istio/stats", requests="istio_requests_total", seconds="istio_request_duration_milliseconds",
    code_label="response_code", backend_label="destination_service", backend="{service}.{namespace}.svc.cluster.local",
    unit="milliseconds",
)  # fmt: skip


def test_another_gateways_names_and_its_milliseconds_can_be_told() -> None:
    at = 'destination_service="topics-g3.news.svc.cluster.local",response_code="200"'
    found = of_gateway(
        f"istio_requests_total{{{at}}} 8",
        f'istio_request_duration_milliseconds_bucket{{{at},le="5"}} 3',
        f'istio_request_duration_milliseconds_bucket{{{at},le="10"}} 8',
        f'istio_request_duration_milliseconds_bucket{{{at},le="+Inf"}} 8',
        named=ISTIO,
    )
    assert found.bounds == (5.0, 10.0)
    assert (found.arms["candidate"].requests, found.arms["candidate"].latencies) == (8, {0: 3, 1: 5})


GARBAGE = {
    "not a number": line("news-topics-g3", "NaN"),
    "infinite": line("news-topics-g3", "+Inf"),
    "words": line("news-topics-g3", "many"),
    "a bucket without its bound": line("news-topics-g3", 3, le="soon"),
    "a line that ends in the middle": line("news-topics-g3", 3)[:60],
    "a bucket that is not a number": line("news-topics-g3", "NaN", le="0.001"),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_cannot_be_read_is_not_read_and_no_surprise(garbage: str) -> None:
    with pytest.raises(NotRead):
        of_gateway(line("news-topics-g2", 4), GARBAGE[garbage])


@pytest.mark.parametrize("code", ["", "²", "2xx", "-1"])
def test_a_code_that_is_none_counts_for_nothing(code: str) -> None:
    strange = line("news-topics-g3", 3).replace('code="200"', f'code="{code}"')
    assert of_gateway(strange, line("news-topics-g2", 4)).arms.keys() == {"champion"}


@given(st.text(max_size=200), st.sampled_from(["", "traefik_service_requests_total", "pressrun_shadow_pairs_total"]))
def test_any_text_is_read_or_not_read(text: str, start: str) -> None:
    for parse in (
        lambda said: of_gateway(said),
        lambda said: server_reading("p", said, rollout=3),
        lambda said: feature_rows([said]),
    ):
        with suppress(NotRead):
            parse(start + text)


IDENTITY = Identity(model="topics", version="2", digest="d", arm="champion", generation=2)


def metrics() -> Metrics:
    counts = Metrics()
    counts.shadowed(rollout=3, arm="candidate", failed=False, seconds=0.02)
    counts.shadowed(rollout=3, arm="candidate", failed=True, seconds=3.0)
    counts.shadowed(rollout=3, arm="champion", failed=False, seconds=0.01)
    counts.paired(rollout=3, arm="candidate", both=Compared(kinds={(True, False): 4, (False, True): 2}))
    counts.paired(rollout=2, arm="candidate", both=Compared(kinds={(False, True): 9}))
    counts.of(IDENTITY).described([{"words": 3.0, "clicks": 0.0}, {"words": 0.0, "clicks": 0.0}])
    return counts


def test_what_our_own_servers_write_is_read_back_for_this_rollout_alone() -> None:
    found = server_reading("pod-a", metrics().render().decode(), rollout=3)
    assert found.source == "shadow:pod-a"
    candidate, champion = found.arms["candidate"], found.arms["champion"]
    assert (candidate.requests, candidate.errors) == (2, 1)
    assert (candidate.pairs, candidate.disagreements, candidate.declined) == (6, 2, 2)
    assert sum(candidate.latencies.values()) == sum(champion.latencies.values()) == 1
    assert server_reading("pod-a", metrics().render().decode(), rollout=9).arms == {}


def test_a_server_names_no_arms_of_its_own() -> None:
    """They are kept in the record: whoever could name them could fill it."""
    strange = "\n".join(f'pressrun_shadow_pairs_total{{rollout="3",arm="a{n}",agree="true"}} 1.0' for n in range(99))
    assert server_reading("pod-a", strange, rollout=3).arms == {}


def test_features_are_summed_over_servers_by_generation() -> None:
    text = metrics().render().decode()
    assert feature_rows([text, text]) == {2: {"words": (2, 4), "clicks": (4, 4)}}


@pytest.fixture
def serving() -> Iterator[tuple[str, dict[str, bytes | float]]]:
    """An address, and what it says: `body` at once, `drip` seconds apart byte by byte."""
    says: dict[str, bytes | float] = {"body": b"", "drip": 0.0}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, drip = bytes(says["body"]), float(says["drip"])  # type: ignore[arg-type]
            self.send_response(404 if self.path == "/gone" else 302 if self.path == "/elsewhere" else 200)
            self.send_header("location", "/metrics")
            self.send_header("content-length", str(len(body) + (self.path == "/cut")))
            self.end_headers()
            for part in [bytes([one]) for one in body] if drip else [body]:
                time.sleep(drip)
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *given: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", says
    server.shutdown()
    server.server_close()


def test_a_text_is_read_whole(serving: tuple[str, dict[str, bytes | float]]) -> None:
    url, says = serving
    says["body"] = b"x 1\n" * 100_000
    assert len(read(f"{url}/metrics")) == 400_000


@pytest.mark.parametrize("path", ["/gone", "/cut", "/elsewhere"])
def test_what_is_no_whole_answer_is_not_read(serving: tuple[str, dict[str, bytes | float]], path: str) -> None:
    url, says = serving
    says["body"] = b"x 1\n"
    with pytest.raises(NotRead):
        read(url + path)


def test_a_text_without_end_is_not_read_in_part(
    serving: tuple[str, dict[str, bytes | float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the counters would look like counters that began anew, and later like much traffic at once."""
    url, says = serving
    monkeypatch.setattr(scraping, "MOST_BYTES", 1000)
    says["body"] = b"x 1\n" * 1000
    with pytest.raises(NotRead, match="more than"):
        read(url)


def test_a_server_that_says_one_byte_after_another_holds_nobody_up(
    serving: tuple[str, dict[str, bytes | float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, says = serving
    monkeypatch.setattr(scraping, "TIMEOUT", 0.3)
    says.update(body=b"x 1\n" * 100, drip=0.05)
    began = time.monotonic()
    with pytest.raises(NotRead):
        read(url)
    assert time.monotonic() - began < 2


def test_nobody_there_is_not_read() -> None:
    with pytest.raises(NotRead, match="does not answer"):
        read("http://127.0.0.1:9/metrics")
