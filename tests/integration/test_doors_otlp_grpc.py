# ruff: noqa: F811
"""OTLP over gRPC, down to the row in the log: what HTTP takes it takes, and what is sent to hurt it does not."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector import log
from collector.ingest import bodies, otlp_grpc
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor, PortTaken, refuse_taken
from tests.examples import on_one_database
from tests.fix_postgres import Server
from tests.integration.fix_doors import Collector, collector  # noqa: F401
from tests.integration.test_doors_otlp import as_protobuf, request, span

pytestmark = pytest.mark.slow

DATA = Path(__file__).parent.parent / "data"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
Code = grpc.StatusCode


@pytest.fixture
async def door(collector: Collector) -> AsyncIterator[GrpcDoor]:
    """The gRPC door of a collector, on a port that was free."""
    held = Bodies()
    made = GrpcDoor(Doors(collector.writer, lambda: collector.catalogue.matcher, held), held, "127.0.0.1", 0)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def channel(door: GrpcDoor) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(f"127.0.0.1:{door.port}", options=[("grpc.max_send_message_length", -1)]) as made:
        yield made


async def call(channel: aio.Channel, method: str, body: bytes, **more: Any) -> bytes:
    answer: bytes = await channel.unary_unary(method)(body, timeout=240, **more)
    return answer


async def refused(channel: aio.Channel, method: str, body: bytes, **more: Any) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as found:
        await call(channel, method, body, **more)
    return found.value


async def until(condition: Callable[[], Any]) -> None:
    """Let others go on until it holds."""
    while not condition():  # noqa: ASYNC110 - it is for the library to tell, and it tells nobody
        await asyncio.sleep(0)


def said(error: aio.AioRpcError) -> tuple[Status, int | None]:
    """The google.rpc.Status of a refusal, and after how many seconds it may come again."""
    (packed,) = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
    status = Status.FromString(packed)  # type: ignore[arg-type]
    info = RetryInfo()
    return status, info.retry_delay.seconds if status.details and status.details[0].Unpack(info) else None


# What comes, is there


async def test_spans_and_the_events_they_yield_are_stored_when_they_are_acknowledged(
    collector: Collector, channel: aio.Channel
) -> None:
    for number in range(1, 6):
        body = as_protobuf(request(span(spanId=f"{number:016x}")))
        assert await call(channel, TRACES, body) == b""
        assert collector.rows("SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM event)") == [(number, number)]


async def test_log_records_are_events_and_plain_ones_are_counted(collector: Collector, channel: aio.Channel) -> None:
    document = json.loads((DATA / "otlp-logs-event.json").read_text())
    whole = ExportLogsServiceResponse.FromString(await call(channel, LOGS, as_protobuf(document)))
    logged = collector.rows("SELECT count(*) FROM event")[0][0]
    assert logged
    records = [
        {"timeUnixNano": "1", "body": {"stringValue": "a line"}},
        {"timeUnixNano": "1", "eventName": "order.paid"},
    ]
    mixed = as_protobuf({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    partial = ExportLogsServiceResponse.FromString(await call(channel, LOGS, mixed)).partial_success
    assert (partial.rejected_log_records, "no event name" in partial.error_message) == (1, True)
    assert collector.rows("SELECT count(*) FROM event") == [(logged + 1,)]
    assert whole.partial_success.rejected_log_records == 0


async def test_it_stores_what_http_stores(collector: Collector, channel: aio.Channel) -> None:
    body = as_protobuf(json.loads((DATA / "mulesoft-native-otlp-traces.json").read_text()))
    rows = "SELECT trace_id, span_id, service, name, start_ns, end_ns, body FROM span ORDER BY span_id"
    await call(channel, TRACES, body)
    by_grpc = collector.rows(rows)
    with collector.conn.transaction():
        collector.conn.execute("DELETE FROM span")
    await collector.http.post("/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
    assert by_grpc
    assert collector.rows(rows) == by_grpc


async def test_bad_spans_are_counted_and_the_good_ones_stored(collector: Collector, channel: aio.Channel) -> None:
    body = as_protobuf(request(span(), span(spanId="00")))
    partial = ExportTraceServiceResponse.FromString(await call(channel, TRACES, body)).partial_success
    assert partial.rejected_spans == 1
    assert "span id" in partial.error_message
    assert collector.rows("SELECT count(*) FROM span") == [(1,)]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_messages(collector: Collector, channel: aio.Channel, compression: grpc.Compression) -> None:
    body = as_protobuf(request(span(attributes=[{"key": "k", "value": {"stringValue": "x" * 5000}}])))
    assert await call(channel, TRACES, body, compression=compression) == b""
    assert collector.rows("SELECT count(*) FROM span") == [(1,)]


async def test_an_empty_request_is_a_success(channel: aio.Channel) -> None:
    assert await call(channel, TRACES, b"") == await call(channel, LOGS, b"") == b""


# What must wait, and what is refused


async def test_a_full_log_and_an_absent_database_say_when_to_come_again(
    collector: Collector, channel: aio.Channel, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "RECONNECT_SECONDS", 0.0)
    name, body = collector.conn.info.dbname, as_protobuf(request(span()))
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    away = await refused(channel, TRACES, body)
    assert (away.code(), said(away)[1]) == (Code.UNAVAILABLE, 5)
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert await call(channel, TRACES, body) == b""

    def refuse(_batch: log.Batch) -> None:
        raise log.Unavailable("more arrives than can be stored", 1, overloaded=True)

    monkeypatch.setattr(collector.writer, "submit", refuse)
    full = await refused(channel, TRACES, body)
    assert (full.code(), said(full)[1]) == (Code.RESOURCE_EXHAUSTED, 1)
    assert "more arrives" in (full.details() or "")


async def test_what_is_no_request_is_refused_for_good(collector: Collector, channel: aio.Channel) -> None:
    for method in (TRACES, LOGS):
        error = await refused(channel, method, b"\xff\xff")
        assert error.code() is Code.INVALID_ARGUMENT
        status, again = said(error)
        assert (status.code, again) == (3, None)
        assert status.message
    assert collector.rows("SELECT count(*) FROM span") == [(0,)]


async def test_other_methods_and_services_are_not_there(channel: aio.Channel) -> None:
    for method in (
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/export",
        "/",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ):
        assert (await refused(channel, method, b"")).code() is Code.UNIMPLEMENTED


async def test_too_large_a_message_is_refused_and_the_next_is_taken(
    collector: Collector, channel: aio.Channel, door: GrpcDoor
) -> None:
    error = await refused(channel, TRACES, b"\0" * (otlp_grpc.MAX_MESSAGE + 1))
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert await call(channel, TRACES, as_protobuf(request(span()))) == b""


async def test_a_message_that_blows_up_is_not_blown_up(channel: aio.Channel) -> None:
    # The client is in this process: what it holds is there before anything is measured.
    bomb = b"\0" * (20 * otlp_grpc.MAX_MESSAGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = await refused(channel, TRACES, bomb, compression=grpc.Compression.Gzip)
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert "larger than max" in (error.details() or "")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 1.5 * len(bomb)


async def test_more_than_may_be_in_flight_comes_again(
    collector: Collector, channel: aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_IN_FLIGHT", 100)
    error = await refused(channel, TRACES, as_protobuf(request(span())))
    assert (error.code(), said(error)[1]) == (Code.RESOURCE_EXHAUSTED, 1)
    monkeypatch.undo()
    assert await call(channel, TRACES, as_protobuf(request(span()))) == b""


async def test_more_calls_than_are_taken_at_once_come_again(
    channel: aio.Channel, door: GrpcDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc, "MOST_CALLS", 1)
    slow = channel.stream_unary(TRACES)(timeout=240)
    await until(lambda: door._calls)
    error = await refused(channel, TRACES, b"")
    assert (error.code(), said(error)[1]) == (Code.RESOURCE_EXHAUSTED, 1)
    await slow.write(as_protobuf(request(span())))
    await slow.done_writing()
    assert await slow == b""
    assert await call(channel, TRACES, b"") == b""


async def test_who_sends_no_message_does_not_keep_others_out_for_ever(
    channel: aio.Channel, door: GrpcDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc, "READ_SECONDS", 0.05)
    silent = channel.stream_unary(TRACES)(timeout=240)
    assert await silent.code() is Code.DEADLINE_EXCEEDED
    assert door._calls == 0
    monkeypatch.undo()
    ended = channel.stream_unary(LOGS)(timeout=240)
    await ended.done_writing()
    assert await ended.code() is Code.INVALID_ARGUMENT


async def test_who_hangs_up_leaves_nothing_behind(channel: aio.Channel, door: GrpcDoor) -> None:
    gone = channel.stream_unary(TRACES)(timeout=240)
    await until(lambda: door._calls)
    gone.cancel()
    await until(lambda: not door._calls)
    assert await call(channel, TRACES, b"") == b""


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100_000, b"\xff" * 100_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\6\0\0\0\0\0" + b"\0" * 8,
    ],
    ids=["http 1", "tls", "zeros", "ones", "no frames", "a ping and the end"],
)  # fmt: skip
async def test_garbage_on_the_port_harms_nobody(channel: aio.Channel, door: GrpcDoor, junk: bytes) -> None:
    def send() -> None:
        with socket.create_connection(("127.0.0.1", door.port), 240) as sent:
            try:
                sent.sendall(junk)
                sent.shutdown(socket.SHUT_WR)
                while sent.recv(65536):
                    pass
            except OSError:
                pass

    await asyncio.gather(*(asyncio.to_thread(send) for _ in range(5)), call(channel, TRACES, b""))
    assert await call(channel, TRACES, b"") == b""


async def test_who_pings_all_the_time_is_sent_away(channel: aio.Channel, door: GrpcDoor) -> None:
    def ping() -> bytes:
        with socket.create_connection(("127.0.0.1", door.port), 240) as sent:
            begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
            pings = [b"\0\0\x08\6\0\0\0\0\0" + number.to_bytes(8, "big") for number in range(20)]
            # All at once: what is sent after the connection was closed takes with it what has not been read.
            sent.sendall(begin + b"".join(pings))
            received = b""
            try:
                while more := sent.recv(65536):
                    received += more
            except OSError:
                pass
            return received

    assert b"too_many_pings" in await asyncio.to_thread(ping)
    assert await call(channel, TRACES, b"") == b""


_whole = as_protobuf(request(span()))


@on_one_database(60)
@given(
    st.builds(
        lambda at, junk, cut: _whole[:at] + junk + _whole[at + cut :],
        st.integers(0, len(_whole)), st.binary(max_size=8), st.integers(0, 9),
    ),
    st.sampled_from([TRACES, LOGS]),
    st.sampled_from([grpc.Compression.NoCompression, grpc.Compression.Gzip]),
)  # fmt: skip
async def test_no_message_makes_the_door_fail(
    channel: aio.Channel, body: bytes, method: str, compression: grpc.Compression
) -> None:
    try:
        await call(channel, method, body, compression=compression)
    except aio.AioRpcError as error:
        assert error.code() is Code.INVALID_ARGUMENT  # noqa: PT017


# Beginning and end


async def test_what_was_begun_is_finished_before_it_stops(collector: Collector) -> None:
    held = Bodies()
    door = GrpcDoor(Doors(collector.writer, lambda: collector.catalogue.matcher, held), held, "127.0.0.1", 0)
    await door.start()
    async with aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        begun = channel.stream_unary(TRACES)(timeout=240)
        await until(lambda: door._calls)
        stopping = asyncio.create_task(door.stop())
        await begun.write(as_protobuf(request(span())))
        await begun.done_writing()
        assert await begun == b""
        await stopping
        assert collector.rows("SELECT count(*) FROM span") == [(1,)]
        assert (await refused(channel, TRACES, b"")).code() is Code.UNAVAILABLE


async def test_a_port_that_somebody_has_is_not_shared(door: GrpcDoor) -> None:
    with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{door.port}: "):
        refuse_taken("127.0.0.1", door.port)
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1:4317: "):
        refuse_taken("192.0.2.1", 4317)
    other = GrpcDoor(door._doors, door._bodies, "127.0.0.1", door.port)
    with pytest.raises(PortTaken):
        await other.start()
