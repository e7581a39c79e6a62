"""One server process: what it answers, what it logs, how it leaves."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pressrun.bundle
from pressrun.serving import openapi
from pressrun.serving.app import App
from pressrun.serving.hosting import Host, Placed
from pressrun.serving.metrics import Metrics
from pressrun.serving.records import DEADLINE
from pressrun.serving.server import AddressTaken, serve
from tests.collector import collector
from tests.serving.running import Running, infer, running
from tests.serving.stub_bundle import StubBundle, write_stub

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("server"), "--cached=100").wait()
    yield running
    running.process.kill()
    running.process.wait()


def test_it_speaks_the_open_inference_protocol_and_names_the_model_version(server: Running) -> None:
    status, answer = server.ask("/v2/models/topics/infer", infer("Sports tonight"))
    assert status == 200
    assert (answer["model_version"], answer["parameters"]["arm"]) == ("3", "champion")
    label, probabilities = answer["outputs"]
    assert label["data"] == ["Sports"]
    assert probabilities["shape"] == [1, 3]
    assert sum(probabilities["data"]) == pytest.approx(1, abs=1e-4)
    assert server.ask("/v2/models/topics")[1]["versions"] == ["3"]
    assert server.ask("/v2/health/live")[0] == 200


def test_the_log_has_the_prediction_and_never_the_text(server: Running) -> None:
    headers = {"x-pressrun-arm": "candidate", "x-pressrun-generation": "7", "x-pressrun-shadow": "1"}
    status, _ = server.ask("/v2/models/topics/infer", infer("Business secret42"), **headers, **{"x-request-id": "q9"})
    row = next(row for row in server.logged() if row["request_id"] == "q9")
    assert status == 200
    assert (row["arm"], row["generation"], row["shadow"], row["label"]) == ("candidate", 7, True, "Business")
    assert (row["article_id"], row["impression_id"]) == ("a1", "i1")
    assert "secret42" not in json.dumps(server.logged())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/predict", b"no json", 400),
        ("/predict", b'{"title": 3}', 400),
        ("/predict", b"x" * 4_000_001, 413),
        ("/v2/models/other/infer", b"{}", 404),
        ("/readyz", b"{}", 405),
    ],
)
def test_what_it_cannot_answer_gets_a_clear_refusal(server: Running, path: str, body: bytes, status: int) -> None:
    got, answer = server.ask(path, body)
    assert got == status
    assert answer["error"]


def test_metrics_name_model_version_and_arm(server: Running) -> None:
    server.ask("/predict", b'{"text": "World news"}')
    assert 'model="topics",shadow="false",status="200",version="3"' in server.ask("/metrics")[1]


def test_sigterm_closes_the_log_and_leaves_cleanly(tmp_path: Path) -> None:
    running = Running(tmp_path).wait()
    running.ask("/predict", b'{"text": "World news"}')
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    (segment,) = running.spool.iterdir()
    assert re.fullmatch(r"s1-[0-9a-f]{12}-0000000001\.jsonl", segment.name)


def test_an_answer_belongs_to_the_trace_of_whoever_asked_and_tells_nothing_of_the_article(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace_id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        server = Running(tmp_path).wait()
        body = json.dumps({"title": "a secret title", "body": "b"}).encode()
        status, _ = server.ask("/predict", body, traceparent=f"00-{trace_id}-{parent}-01")
        server.end()
    (resource,) = [spans for request in collected.requests for spans in request.resource_spans]
    (answer,) = [span for scope in resource.scope_spans for span in scope.spans]
    told = {one.key: one.value for one in answer.attributes}
    assert status == 200
    assert (answer.name, answer.trace_id.hex(), answer.parent_span_id.hex()) == ("pressrun.predict", trace_id, parent)
    assert told["pressrun.version"].string_value == "3"
    assert told["http.response.status_code"].int_value == 200
    assert b"secret" not in resource.SerializeToString()


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_collector_that_cannot_be_reached_does_not_keep_it_from_leaving(
    listens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself OpenTelemetry tries for ten seconds a batch, half a minute in all: as long as Kubernetes waits."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if listens:
            deaf.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with running(tmp_path) as server:
            assert server.ask("/predict", b'{"text": "Sports"}')[0] == 200
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(6) == 0
        assert [segment.suffix for segment in server.spool.iterdir()] == [".jsonl"]


def test_the_first_deadline_counts_and_a_request_past_it_is_not_scored(server: Running) -> None:
    status, answer = server.ask("/predict", b'{"text": "late"}', **{"x-envoy-expected-rq-timeout-ms": "0"})
    assert (status, "no more work is spent" in answer["error"]) == (504, True)
    body = json.loads(infer("Sports in time"))
    body["parameters"]["timeout"] = 30_000_000
    assert server.ask("/v2/models/topics/infer", json.dumps(body).encode())[0] == 200
    assert server.ask("/predict", b'{"text": "x"}', **{"x-envoy-expected-rq-timeout-ms": "soon"})[0] == 400


def test_a_known_answer_is_not_worked_out_again_and_is_logged_like_any_other(server: Running) -> None:
    for number in range(3):
        status, answer = server.ask("/predict", b'{"text": "World, once"}', **{"x-request-id": f"once{number}"})
        assert (status, answer["label"]) == (200, "World")
    assert 'pressrun_cache_total{model="topics",result="hit",version="3"}' in server.ask("/metrics")[1]
    assert {"once0", "once1", "once2"} <= {row["request_id"] for row in server.logged()}


def test_the_page_for_people_and_the_document_for_machines_name_every_path(server: Running) -> None:
    document = server.ask("/openapi.json")[1]
    assert {"/predict", "/v2/models/topics/infer", "/metrics"} <= set(document["paths"])
    status, page = server.ask("/docs")
    assert (status, "topics" in page, "http-equiv" in page) == (200, True, False)


def test_a_made_up_arm_is_not_counted_as_one(server: Running) -> None:
    server.ask("/predict", b'{"text": "x"}', **{"x-pressrun-arm": "made-up"})
    assert "made-up" not in server.ask("/metrics")[1]


def test_what_cannot_be_logged_is_refused_when_the_log_is_durable_and_counted_when_it_is_not(tmp_path: Path) -> None:
    for kind, status in (("durable", 429), ("best-effort", 200)):
        running = Running(tmp_path / kind, f"--log={kind}").wait()
        for path in running.spool.iterdir():
            path.unlink()
        running.spool.rmdir()
        got, answer = running.ask("/predict", b'{"text": "World news"}')
        assert got == status, answer
        assert "pressrun_predictions_unlogged_total" in running.ask("/metrics")[1]
        running.spool.mkdir()
        assert running.ask("/predict", b'{"text": "Sports news"}')[0] == 200
        assert [row["label"] for row in running.logged()] == ["Sports"]
        running.end()


def test_fields_of_the_log_are_dropped_and_hashed_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSRUN_LOG_KEY", "a key of the newsroom's own")
    running = Running(tmp_path, "--log-hash=impression_id", "--log-drop=features", "--log-drop=article_id").wait()
    assert running.ask("/v2/models/topics/infer", infer("Sports"))[0] == 200
    running.end()
    (row,) = running.logged()
    assert (row["article_id"], row["features"]) == (None, {})
    assert len(row["impression_id"]) == 64


def test_it_tells_of_itself_in_json_where_logs_are_gathered(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    running = Running(tmp_path, "--log-format=json").wait()
    running.spool.rename(tmp_path / "gone")
    running.ask("/predict", b'{"text": "World news"}')
    running.end()
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert any(line["level"] == "error" and "not logged until" in line["message"] for line in told)


def test_what_it_tells_of_itself_is_made_once_and_anew_when_models_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made for each who asks, it would keep the models' clients waiting."""
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)
    host, made = Host(metrics=Metrics()), list[int]()
    monkeypatch.setattr(openapi, "document", lambda models: made.append(len(models)) or {"paths": sorted(models)})

    async def act() -> None:
        app = App(host)
        for version, told in (("1", "topics"), ("2", "mood")):
            placed = Placed(bundle=write_stub(tmp_path / version), model=told, version=version)
            host.serve([host.load(placed)])
            answers = [app.looked_up("/openapi.json", "GET").body for _ in range(3)]
            assert answers == [b'{"paths":["%b"]}' % told.encode()] * 3

    asyncio.run(act())
    assert made == [1, 1]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /predict HT",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\n" * 3000,
    ],
    ids=["half a head", "half a body", "answers that are not read"],
)
def test_a_client_that_does_not_let_go_cannot_keep_it_from_leaving(tmp_path: Path, sent: bytes) -> None:
    """Kubernetes waits for 30 seconds, and then the log's last segment stays open."""
    spool = tmp_path / "spool"
    with running(tmp_path) as server:
        assert server.ask("/predict", b'{"text": "Sports"}')[0] == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as client:
            with suppress(TimeoutError):
                client.sendall(sent)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
        assert [segment.suffix for segment in spool.iterdir()] == [".jsonl"]


def test_a_second_server_on_the_same_port_is_refused(server: Running, tmp_path: Path) -> None:
    with pytest.raises(AddressTaken, match=f"{server.port} cannot be had"):
        serve(tmp_path, port=server.port, model="topics", version="1")


def test_a_host_may_be_given_by_its_name(tmp_path: Path) -> None:
    with running(tmp_path, "--host=localhost") as server:
        assert server.ask("/predict", b'{"text": "Sports"}')[0] == 200


def test_outputs_that_were_asked_for_are_answered_alone_and_unknown_ones_refused(server: Running) -> None:
    def ask(name: str) -> tuple[int, dict[str, Any]]:
        request = {**json.loads(infer("Sports")), "outputs": [{"name": name}]}
        return server.ask("/v2/models/topics/infer", json.dumps(request).encode())

    status, answer = ask("label")
    assert (status, [one["name"] for one in answer["outputs"]]) == (200, ["label"])
    assert ask("nope") == (400, {"error": "unknown output 'nope'; this model answers label, probabilities"})


def test_a_deadline_counts_from_the_request_s_beginning(server: Running) -> None:
    body = b'{"text": "Sports"}'
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\nconnection: close\r\n%b: 200\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(head % (len(body), DEADLINE.encode()) + body[:5])
        time.sleep(0.5)
        client.sendall(body[5:])
        assert client.recv(4096).startswith(b"HTTP/1.1 504")


def test_rows_are_counted_by_label_however_they_were_asked_for(server: Running) -> None:
    counted = r'pressrun_predictions_total{[^}]*label="Business"[^}]*} ([0-9.]+)'

    def count() -> float:
        return sum(map(float, re.findall(counted, server.ask("/metrics")[1])))

    before = count()
    assert server.ask("/predict", b'{"text": "Business"}')[0] == 200
    assert server.ask("/v2/models/topics/infer", infer("Business"))[0] == 200
    assert count() == before + 2


def test_what_it_cannot_do_is_told(server: Running) -> None:
    assert server.ask("/predict/", b"{}") == (404, {"error": "it is /predict here, without the slash"})
    assert server.ask("/predict")[1]["error"] == "/predict takes POST, not GET"
    status, answer = server.ask("/predict", b"\x1f\x8b\x00", **{"content-encoding": "gzip"})
    assert (status, answer["error"]) == (415, "bodies are read as they are; send it without Content-Encoding")
