"""One trace from a task to what it starts: spans below each other, exported over OTLP to a collector."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pressrun import tracing
from tests.collector import collector


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    yield exporter
    provider.shutdown()


def test_spans_stand_below_each_other_and_name_what_they_are_of(told: InMemorySpanExporter) -> None:
    with tracing.span("night", pipeline="topics", rows=3, empty=""), tracing.span("commit"):
        pass
    commit, night = told.get_finished_spans()
    assert commit.parent == night.get_span_context()
    assert dict(night.attributes or {}) == {"pressrun.pipeline": "topics", "pressrun.rows": 3}


def test_another_process_goes_on_with_the_trace_that_it_is_given(told: InMemorySpanExporter) -> None:
    with tracing.span("task"):
        carrier = tracing.carried()
    with tracing.continued(carrier), tracing.span("job"):
        pass
    with tracing.span("answer", carrier=tracing.carried_by(carrier)):
        pass
    task, job, answer = told.get_finished_spans()
    assert {span.get_span_context().trace_id for span in (task, job, answer)} == {task.get_span_context().trace_id}
    assert job.parent is not None
    assert answer.parent is not None
    assert job.parent.span_id == answer.parent.span_id == task.get_span_context().span_id


@pytest.mark.parametrize("sent", [{}, {"traceparent": "no such thing"}, {"traceparent": "00-" + "0" * 32 + "-1-01"}])
def test_a_context_that_is_none_begins_a_trace_of_its_own(told: InMemorySpanExporter, sent: dict[str, str]) -> None:
    with tracing.span("answer", carrier=tracing.carried_by(sent)):
        pass
    (answer,) = told.get_finished_spans()
    assert answer.parent is None


def test_an_exception_is_told_and_goes_on(told: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="broken"), tracing.span("commit"):
        raise ValueError("broken")
    (commit,) = told.get_finished_spans()
    assert not commit.status.is_ok
    assert [event.name for event in commit.events] == ["exception"]


def test_without_a_collector_nothing_is_recorded_or_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert not tracing.export("test")
    with tracing.span("night"):
        assert tracing.carried() == {}


def test_without_the_exporters_package_a_warning_is_all_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert not tracing.export("pressrun-job")
    assert "traces are asked for" in caplog.text


def test_a_process_of_its_own_exports_to_the_collector_before_it_ends() -> None:
    program = (
        "from pressrun import tracing; tracing.export('pressrun-test')\n"
        "with tracing.continued(tracing.carried_by()), tracing.span('job', stage='sample'): pass"
    )
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with collector() as at:
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": at.url, "TRACEPARENT": parent}
        subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=60)
    (resource,) = [spans for request in at.requests for spans in request.resource_spans]
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    (job,) = resource.scope_spans[0].spans
    assert named["service.name"] == "pressrun-test"
    assert (job.name, job.trace_id.hex(), job.parent_span_id.hex()) == ("job", parent[3:35], parent[36:52])
    assert isinstance(at.requests[0], ExportTraceServiceRequest)
