"""`--tls-cert` and `--tls-key` at the real process: both ports speak TLS, and what cannot be used is said at once."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest

from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Running, environment, free_port, wait_until
from tests.integration.fix_doors import DEFINITIONS, STRUCTURED, cloud_event
from tests.integration.test_doors_otlp import as_protobuf, request, span
from tests.integration.test_tls import Files

pytestmark = pytest.mark.acceptance

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_both_ports_speak_tls_and_slow_clients_are_sent_away(tmp_path: Path, database_url: str) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    settings = tmp_path / "milepost.toml"
    settings.write_text('header_timeout = "1s"\n')
    files, port = Files(tmp_path), free_port()
    where = ("--database-url", database_url, "--definitions", str(definitions), "--config", str(settings))
    tls = ("--tls-cert", str(files.chain), "--tls-key", str(files.key), "--otlp-grpc-port", str(port))
    serving = Running(tmp_path, "log", "collector", *where, *tls)
    try:
        serving.launch()
        with asking.Client(verify=files.client(), base_url=f"https://127.0.0.1:{serving.port}") as client:

            def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return client.get("/readyz").status_code == 200
                return False

            wait_until(ready, 60, "the process serves")
            assert client.post("/events", json=cloud_event(), headers=STRUCTURED).status_code == 200
            with pytest.raises(httpx.TransportError):
                asking.get(f"http://127.0.0.1:{serving.port}/readyz")
            credentials = grpc.ssl_channel_credentials(files.root)
            with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
                assert channel.unary_unary(TRACES)(as_protobuf(request(span())), timeout=30) == b""
            with files.client().wrap_socket(
                _connected(serving.port), server_hostname="127.0.0.1", do_handshake_on_connect=True
            ) as slow:
                slow.sendall(b"GET / HT")
                assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
            said = client.get("/metrics").text
            # On a busy machine it may have been somebody of the above, too.
            assert re.search(r'milepost_connections_sent_away_total{why="slow_head"} [1-9]', said)
        assert serving.errors() == []
    finally:
        serving.close()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 60)


def test_a_certificate_that_cannot_be_used_is_an_error(tmp_path: Path, database_url: str) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    files = Files(tmp_path)
    files.issue(key=False)
    ended = subprocess.run(
        [*COMMAND, "collector", "--database-url", database_url, "--definitions", str(definitions),
         "--tls-cert", str(files.chain), "--tls-key", str(files.key)],
        capture_output=True, text=True, timeout=240, check=False, env=environment(),
    )  # fmt: skip
    assert ended.returncode == 1
    assert f"TLS cannot be spoken with {files.chain} with {files.key}: " in ended.stderr
    assert "Traceback" not in ended.stderr
