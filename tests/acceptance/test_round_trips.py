"""What others have made and many use, against the real process: the SDKs of OpenTelemetry, and its Collector.

A program places an order in a log record with an event name, and activates it in a span: both make one instance, and
the trace is its evidence. `tests/peers` has the programs. Peers that are not installed are skipped; CONTRIBUTING.md says
how to have them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance import asking
from tests.acceptance.process import Running, environment, free_port, wait_until
from tests.fix_kafka import Broker
from tests.fix_postgres import Server

pytestmark = pytest.mark.acceptance

PEERS = Path(__file__).parent.parent / "peers"
NODE_OTEL = os.environ.get("MILEPOST_TEST_NODE_OTEL")
OTELCOL = os.environ.get("MILEPOST_TEST_OTELCOL")
NODE = shutil.which("node")
# Said of a test, and not within it: for a peer that is not there nothing is started.
with_node = pytest.mark.skipif(
    not NODE_OTEL or NODE is None,
    reason="no SDK of Node here: set MILEPOST_TEST_NODE_OTEL to a folder with its packages (CONTRIBUTING.md)",
)
with_collector = pytest.mark.skipif(
    not OTELCOL,
    reason="no OpenTelemetry Collector here: set MILEPOST_TEST_OTELCOL to its program (CONTRIBUTING.md)",
)
_orders = count(1)
DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: checkout, domain: orders, owner: shop}
spec:
  entity: order
  keys: {order: {path: data.order.id}}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: placed, on: {exact: {source: shop, type: order.placed}}, starts: true}
    - {name: activated, on: {span: {exact: {service: shop, name: activate}}}, within: 1d, completes: true}
"""
COLLECTOR = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}
exporters:
{exporter}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{name}]}}
    logs: {{receivers: [otlp], exporters: [{name}]}}
"""


class Milepost:
    """A `milepost serve` that takes OTLP over HTTP and gRPC."""

    def __init__(self, folder: Path, url: str, *more: str) -> None:
        definitions = folder / "definitions.yaml"
        definitions.write_text(DEFINITIONS)
        self.database = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        self.grpc_port = free_port()
        self.serving = Running(
            folder, "milepost", "serve", "--database-url", url, "--definitions", str(definitions),
            "--otlp-grpc-port", str(self.grpc_port), *more,
        )  # fmt: skip

    def endpoint(self, protocol: str) -> str:
        return f"http://127.0.0.1:{self.grpc_port}" if protocol == "grpc" else self.serving.url

    def instance(self, order: str) -> Any:
        """The instance of an order, once there is one that is completed; else None."""
        answer = asking.get(f"{self.serving.url}/api/v1/instances", params={"key": f"order={order}"})
        found = answer.json()["items"] if answer.status_code == 200 else []
        if not found or found[0]["verdict"] != "completed":
            return None
        return asking.get(f"{self.serving.url}/api/v1/instances/{found[0]['id']}").json()

    def has(self, order: str, trace: str) -> None:
        """Everything of what the program sent has arrived."""
        one = wait_until(lambda: self.instance(order), 60, f"{order} is completed")
        assert [event["type"] for event in one["events"]] == ["order.placed", "otel.span"]
        assert {event["trace_id"] for event in one["events"]} == {trace}
        assert one["value"] == {"amount": 12.5, "currency": "EUR"}

        def spans() -> list[Any]:
            detail = asking.get(f"{self.serving.url}/api/v1/instances/{one['id']}").json()
            return [span for span in detail["spans"] if span["trace_id"] == trace]

        wait_until(lambda: len(spans()) == 2, 60, "both spans are its evidence")
        assert {span["name"] for span in spans()} == {"checkout", "activate"}

    def rejected_logs(self) -> float:
        """How many log records were refused so far."""
        said = asking.get(f"{self.serving.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in said if line.startswith('milepost_rejected_total{door="logs"}'))


@pytest.fixture(scope="module")
def milepost(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Milepost]:
    """One for all of them: each has an order of its own."""
    url = postgres.clone()
    made = Milepost(tmp_path_factory.mktemp("milepost"), url)
    made.serving.start()
    yield made
    made.serving.close()
    postgres.drop(url)


def run(command: list[str], endpoint: str, order: str, **more: str) -> str:
    """What a program of `tests/peers` prints, the id of its trace; it must complain of nothing."""
    ended = subprocess.run(
        [*command, order], capture_output=True, text=True, timeout=240, check=False,
        env=environment() | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} | more,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize("compression", [{}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}], ids=["plain", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_sdk_of_python(milepost: Milepost, protocol: str, compression: dict[str, str]) -> None:
    order = f"O-{next(_orders)}"
    command = [sys.executable, str(PEERS / "sdk.py"), protocol]
    before = milepost.rejected_logs()
    trace = run(command, milepost.endpoint(protocol), order, **compression)
    milepost.has(order, trace)
    assert milepost.rejected_logs() == before + 1, "the ordinary line is no event"


@with_node
@pytest.mark.parametrize("protocol", ["grpc", "http", "json"])
def test_the_sdk_of_node(milepost: Milepost, protocol: str) -> None:
    assert NODE_OTEL is not None
    assert NODE is not None
    order = f"O-{next(_orders)}"
    command = [NODE, str(PEERS / "sdk.js"), protocol]
    trace = run(command, milepost.endpoint(protocol), order, MILEPOST_TEST_NODE_OTEL=NODE_OTEL)
    milepost.has(order, trace)


class OtelCollector:
    """An OpenTelemetry Collector with one exporter."""

    def __init__(self, folder: Path, name: str, exporter: str) -> None:
        assert OTELCOL is not None
        self._log = folder / "otelcol.log"
        grpc, self._http = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{grpc}"
        config = folder / "otelcol.yaml"
        config.write_text(COLLECTOR.format(grpc=grpc, http=self._http, name=name, exporter=exporter))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([OTELCOL, "--config", str(config)], stdout=log, stderr=log)

        def listens() -> bool:
            assert self._process.poll() is None, self.said()
            try:
                return asking.post(f"http://127.0.0.1:{self._http}/v1/logs", json={}).status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(listens, 60, "the Collector listens")
        except BaseException:
            self.close()
            raise

    def said(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@with_collector
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_collector_of_opentelemetry(milepost: Milepost, tmp_path: Path, protocol: str) -> None:
    name = "otlp" if protocol == "grpc" else "otlphttp"
    to = milepost.endpoint(protocol)
    peer = OtelCollector(tmp_path, name, f'  {name}: {{endpoint: "{to}", tls: {{insecure: true}}}}')
    try:
        order = f"O-{next(_orders)}"
        trace = run([sys.executable, str(PEERS / "sdk.py"), "grpc"], peer.endpoint, order)
        milepost.has(order, trace)
    finally:
        peer.close()
    assert "Exporting failed" not in peer.said()
    # What Milepost does not take is told to the Collector, which says so and does not send it again.
    assert "Milepost keeps business events, not plain logs" in peer.said()


@with_collector
def test_the_collector_of_opentelemetry_comes_again_when_it_is_told_to(
    milepost: Milepost, tmp_path: Path, postgres: Server
) -> None:
    retry = "retry_on_failure: {enabled: true, initial_interval: 100ms}"
    to = milepost.endpoint("grpc")
    peer = OtelCollector(tmp_path, "otlp", f'  otlp: {{endpoint: "{to}", tls: {{insecure: true}}, {retry}}}')
    name = milepost.database
    try:
        order = f"O-{next(_orders)}"
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        trace = run([sys.executable, str(PEERS / "sdk.py"), "grpc"], peer.endpoint, order)
        wait_until(lambda: "Will retry the request after interval" in peer.said(), 60, "the Collector is refused")
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        milepost.has(order, trace)
    finally:
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        peer.close()


@with_collector
def test_the_collector_of_opentelemetry_over_kafka(tmp_path: Path, postgres: Server, broker: Broker) -> None:
    url = postgres.clone()
    spans, logs = broker.topic(), broker.topic()
    exporter = f'  kafka: {{brokers: ["{broker.address}"], traces: {{topic: {spans}}}, logs: {{topic: {logs}}}}}'
    peer = OtelCollector(tmp_path, "kafka", exporter)
    made = Milepost(
        tmp_path, url, "--kafka-brokers", broker.address, "--kafka-group", tmp_path.name,
        "--kafka-topic", f"{spans}:otlp_spans", "--kafka-topic", f"{logs}:otlp_logs",
    )  # fmt: skip
    try:
        made.serving.start()
        order = f"O-{next(_orders)}"
        trace = run([sys.executable, str(PEERS / "sdk.py"), "grpc"], peer.endpoint, order)
        made.has(order, trace)
    finally:
        peer.close()
        made.serving.close()
        postgres.drop(url)
