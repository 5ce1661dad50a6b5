"""Jaeger 2 with badger, its durable local store, written through to the disk as PostgreSQL does.

The clock stops when the last trace of every request is found by its id.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import spans
from benchmarks.load import LoadGenerator
from benchmarks.peers.process import running
from benchmarks.server import HOST, free_port

CONNECTIONS = 8
LIMIT_SECONDS = 300

CONFIGURATION = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query:
    storage: {{traces: local}}
    http: {{endpoint: "{host}:{query}"}}
    grpc: {{endpoint: "{host}:{query_grpc}"}}
  jaeger_storage:
    backends:
      local:
        badger:
          directories: {{keys: "{folder}/keys", values: "{folder}/values"}}
          ephemeral: false
          consistency: true
receivers:
  otlp: {{protocols: {{http: {{endpoint: "{host}:{otlp}"}}}}}}
exporters:
  jaeger_storage_exporter: {{trace_storage: local}}
"""


def measure(load: LoadGenerator, program: Path, requests: int) -> float:
    """Spans per second; as many again warm it up."""
    otlp, query, query_grpc = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="milepost-bench-") as work:
        file = Path(work) / "jaeger.yaml"
        file.write_text(
            CONFIGURATION.format(host=HOST, query=query, query_grpc=query_grpc, otlp=otlp, folder=work), "utf-8"
        )
        command = [str(program.resolve()), "--config", str(file)]
        environment = {"PATH": os.environ["PATH"], "HOME": work}
        address = f"http://{HOST}:{query}"
        with (
            running(command, environment, Path(work), f"{address}/api/services"),
            httpx.Client(base_url=address, timeout=30) as client,
        ):
            _until_found(client, load, otlp, "warm", requests)
            seconds = _until_found(client, load, otlp, "peer", requests)
    return requests * spans.PER_REQUEST / seconds


def _until_found(client: httpx.Client, load: LoadGenerator, port: int, name: str, requests: int) -> float:
    load.prepare(spans.requests, name, requests)
    last = [_last_trace(body) for body in spans.bodies(name, requests)]
    sent = load.send(port, CONNECTIONS).result(LIMIT_SECONDS)
    until = time.monotonic() + LIMIT_SECONDS
    for trace_id in last:
        while client.get(f"/api/traces/{trace_id}").status_code != httpx.codes.OK:
            if time.monotonic() > until:
                raise TimeoutError(f"Jaeger does not find the trace {trace_id}")
            time.sleep(0.01)
    return time.monotonic() - sent.started


def _last_trace(body: bytes) -> str:
    message = ExportTraceServiceRequest.FromString(body)
    return message.resource_spans[-1].scope_spans[-1].spans[-1].trace_id.hex()
