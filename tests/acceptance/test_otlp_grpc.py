"""OTLP/gRPC at the real process: it drains when it is told to stop, and says so when it cannot have its port."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path

import grpc
import psycopg
import pytest

from collector.access.limits import Limits
from collector.access.rates import Rates
from milepost import listening
from milepost.listening import Listening
from milepost.settings import Settings
from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Running, environment, free_port, wait_until
from tests.integration.fix_doors import DEFINITIONS
from tests.integration.test_doors_otlp import as_protobuf, request, span

pytestmark = pytest.mark.acceptance

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def definitions(tmp_path: Path) -> str:
    made = tmp_path / "definitions.yaml"
    made.write_text(DEFINITIONS)
    return str(made)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", ["collector", "serve"])
def test_what_was_acknowledged_is_stored_when_it_stops(
    tmp_path: Path, database_url: str, definitions: str, role: str, by: signal.Signals
) -> None:
    port = free_port()
    serving = Running(
        tmp_path,
        "log",
        role,
        "--database-url",
        database_url,
        "--definitions",
        definitions,
        "--otlp-grpc-port",
        str(port),
    )
    acknowledged: set[bytes] = set()
    unanswered: list[grpc.StatusCode] = []

    def send(sender: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(TRACES)
            for number in range(1, 100_000):
                id_ = bytes([sender + 1, 0, 0, 0]) + number.to_bytes(4, "big")
                try:
                    call(as_protobuf(request(span(spanId=id_.hex()))), timeout=60)
                except grpc.RpcError as error:
                    unanswered.append(error.code())
                    return
                acknowledged.add(id_)

    try:
        serving.start()
        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for one in senders:
            one.start()
        wait_until(lambda: len(acknowledged) > 100, 60, "a hundred are acknowledged")
        assert serving.stop(by) == 0
        for one in senders:
            one.join()
    finally:
        serving.close()
    with psycopg.connect(database_url) as conn:
        stored = {bytes(row[0]) for row in conn.execute("SELECT span_id FROM span")}
    assert acknowledged <= stored
    # What was not taken is sent again by whoever keeps to OTLP.
    assert set(unanswered) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert serving.errors() == []


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(database_url: str, definitions: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [*COMMAND, "collector", "--database-url", database_url, "--definitions", definitions]
        ended = subprocess.run(
            [*command, "--port", str(free_port()), "--otlp-grpc-port", str(port)],
            capture_output=True, text=True, timeout=90, check=False, env=environment(),
        )  # fmt: skip
    assert ended.returncode == 1
    assert f"OTLP/gRPC cannot be taken at 127.0.0.1:{port}: Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_off_means_that_nobody_listens(tmp_path: Path, database_url: str, definitions: str) -> None:
    serving = Running(
        tmp_path,
        "log",
        "collector",
        "--database-url",
        database_url,
        "--definitions",
        definitions,
        "--otlp-grpc-port",
        "off",
    )
    try:
        serving.start()
        (said,) = [one for one in serving.said() if one["event"] == "serving"]
        assert said["otlp_grpc_port"] is None
        assert asking.get(f"{serving.url}/healthz").status_code == 200
    finally:
        serving.close()


def test_the_usual_port_is_left_to_whoever_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(listening, "OTLP_GRPC_PORT", other.getsockname()[1])
        assert _listening().grpc_door(None, None) is None  # type: ignore[arg-type]
    found = _listening().grpc_door(None, None)  # type: ignore[arg-type]
    assert found is not None
    assert found.port == listening.OTLP_GRPC_PORT


def _listening() -> Listening:
    return Listening(Settings(), None, Limits(Rates()))
