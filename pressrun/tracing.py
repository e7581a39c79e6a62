"""Traces by OpenTelemetry, so that a night is one trace from Airflow's task to a Spark job and to a server's answer.

Airflow opens a task's span by itself (its option [traces] otel_on); what stages do is told below it. Processes that are
not Airflow's export where OTEL_EXPORTER_OTLP_ENDPOINT says. Context travels as W3C Trace Context
(https://www.w3.org/TR/trace-context/). Without an exporter nothing is recorded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log = logging.getLogger(__name__)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_ENDPOINTS = (ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PARENT = "traceparent"
_HEADERS = (PARENT, "tracestate")
_LEAVE_SECONDS = 2.0
_propagator = TraceContextTextMapPropagator()

Value = str | bool | int | float


def export(service: str) -> bool:
    """Exports this process's spans as `service` from now on; whether anything asks for it.

    A provider that is there, such as Airflow's, stays. Raises nothing: without the exporter's package, which only its
    log says, there are none.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return False
    try:
        _provide(service)
    except ModuleNotFoundError as missing:
        log.warning("traces are asked for, and are not told: %s", missing)
        return False
    return True


def _provide(service: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    named = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or service})
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def leave() -> None:
    """Tells the collector what is left, for `_LEAVE_SECONDS` at most; nothing is exported afterwards.

    By itself a provider does it as the process ends, and waits half a minute for a collector that is not there: none of
    the SDK's settings bounds it, only each batch.
    """
    shut_down = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shut_down is not None:
        telling = Thread(target=shut_down, name="last-spans", daemon=True)
        telling.start()
        telling.join(_LEAVE_SECONDS)


@contextmanager
def span(name: str, *, carrier: Mapping[str, str] | None = None, **attributes: Value) -> Iterator[trace.Span]:
    """A span below the present one, or below the one that `carrier` names. An exception is recorded and goes on."""
    parent = _propagator.extract(dict(carrier)) if carrier else None
    told = {f"pressrun.{key}": value for key, value in attributes.items() if value != ""}
    tracer = trace.get_tracer("pressrun")
    with tracer.start_as_current_span(name, context=parent, attributes=told) as opened:
        yield opened


def carried() -> dict[str, str]:
    """The present span's context, to give to another process; empty where nothing is recorded."""
    found: dict[str, str] = {}
    _propagator.inject(found)
    return found


def carried_by(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """The context that a request's headers carry, or without them this process's environment (TRACEPARENT)."""
    given = os.environ if headers is None else headers
    names = {name: given.get(name.upper() if headers is None else name) for name in _HEADERS}
    return {name: value for name, value in names.items() if value}


@contextmanager
def continued(carrier: Mapping[str, str]) -> Iterator[None]:
    """What is told within belongs to the carrier's trace."""
    token = context.attach(_propagator.extract(dict(carrier)))
    try:
        yield
    finally:
        context.detach(token)
