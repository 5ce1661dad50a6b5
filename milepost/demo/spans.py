"""Hands planned spans to the real OpenTelemetry SDK, which exports them by OTLP over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from milepost.demo.actions import PlannedSpan

QUEUE = 8192
FLUSH_AT = 4096
"""The batch processor drops what overflows its queue; the sender waits for it long before."""
BATCH = 512
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_PATIENCE = 30


class SpanSender:
    """Sends spans of several services. `stop` ends the waiting for a collector that does not answer.

    Not for use by several threads at once.
    """

    def __init__(self, base_url: str, stop: threading.Event, headers: Mapping[str, str] | None = None) -> None:
        session = requests.Session()
        session.trust_env = False
        endpoint = f"{base_url.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, session=session, timeout=10)
        self._processor = BatchSpanProcessor(
            _Persistent(exporter, stop),
            max_queue_size=QUEUE,
            schedule_delay_millis=500,
            max_export_batch_size=BATCH,
        )
        self._ids = _PlannedIds()
        self._tracers: dict[tuple[str, str], Tracer] = {}
        self._waiting = 0

    def send(self, spans: Iterable[PlannedSpan]) -> None:
        """Put spans into the processor's queue; waits for the export when it fills."""
        for span in spans:
            self._emit(span)
            self._waiting += 1
        if self._waiting >= FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Wait until everything is exported."""
        self._processor.force_flush()
        self._waiting = 0

    def close(self) -> None:
        """Export what is left and end the processor's thread."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _emit(self, planned: PlannedSpan) -> None:
        self._ids.trace_id, self._ids.span_id = planned.trace_id, planned.span_id
        context = Context()
        if planned.parent_id is not None:
            parent = SpanContext(planned.trace_id, planned.parent_id, is_remote=False, trace_flags=_SAMPLED)
            context = set_span_in_context(NonRecordingSpan(parent), context)
        span = self._tracer(planned.service, planned.version).start_span(
            planned.name,
            context=context,
            kind=_KINDS[planned.kind],
            attributes=planned.attributes,
            start_time=planned.start * 1000,
        )
        if planned.note is not None:
            name, attributes = planned.note
            span.add_event(name, attributes, timestamp=planned.end * 1000)
        if planned.error is not None:
            span.set_status(Status(StatusCode.ERROR, planned.error))
        span.end(end_time=planned.end * 1000)

    def _tracer(self, service: str, version: str) -> Tracer:
        tracer = self._tracers.get((service, version))
        if tracer is None:
            resource = Resource(
                {
                    "service.name": service,
                    "service.version": version,
                    "deployment.environment.name": "production",
                }
            )
            provider = TracerProvider(
                sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
            )
            provider.add_span_processor(self._processor)
            found = provider.get_tracer(f"{service}.instrumentation", "1.0.0")
            assert isinstance(found, Tracer), "the SDK is disabled by the environment"
            tracer = self._tracers[service, version] = found
        return tracer


class _PlannedIds(IdGenerator):
    """The ids that the plan has given to the next span."""

    trace_id = 0
    span_id = 0

    def generate_span_id(self) -> int:
        return self.span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


class _Persistent(SpanExporter):
    """Repeats a failed export, for a collector that restarts; gives up in the end or on `stop`."""

    def __init__(self, exporter: SpanExporter, stop: threading.Event) -> None:
        self._exporter = exporter
        self._stop = stop

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        for attempt in range(_PATIENCE):
            if result is SpanExportResult.SUCCESS or self._stop.wait(min(0.5 * 2**attempt, 5.0)):
                break
            result = self._exporter.export(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
