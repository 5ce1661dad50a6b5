"""A program instrumented with the OpenTelemetry SDK of Python: `python sdk.py grpc|http ORDER`.

It knows nothing of Milepost. Where it sends to, the variables of the SDK say, such as OTEL_EXPORTER_OTLP_ENDPOINT. It
prints the id of its trace.
"""

from __future__ import annotations

import sys

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

protocol, order = sys.argv[1:]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # type: ignore[assignment]
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[assignment]

resource = Resource.create({"service.name": "shop", "service.version": "1.2.3"})
tracing = TracerProvider(resource=resource)
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logging = LoggerProvider(resource=resource)
logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
tracer, logger = tracing.get_tracer("shop"), logging.get_logger("shop")

with tracer.start_as_current_span("checkout", kind=trace.SpanKind.SERVER) as outer:
    logger.emit(
        event_name="order.placed",
        severity_number=SeverityNumber.INFO,
        attributes={"order.id": order, "amount": 12.5, "currency": "EUR"},
    )
    logger.emit(body="an ordinary line")
    with tracer.start_as_current_span("activate", attributes={"order.id": order}) as inner:
        inner.add_event("asked", {"attempt": 1})

tracing.shutdown()
logging.shutdown()
print(f"{outer.get_span_context().trace_id:032x}")
