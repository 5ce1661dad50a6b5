"""OTLP over gRPC: the services of traces and logs, on a port of their own, through the doors that HTTP comes through.

Protocol: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc. Messages stay bytes here; the doors decode them. What is
refused for now carries a RetryInfo: a sender gives up on RESOURCE_EXHAUSTED without one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from grpc import aio

from collector.access.principal import Principal, acting
from collector.ingest.bodies import Bodies, Refusal, too_much
from collector.ingest.doors import Doors, Signal, status_of

MAX_MESSAGE = 16 * 2**20
"""Bytes of a message, as it comes and decompressed. It is whole in memory before anything of it can be counted."""
MOST_CALLS = 64
"""That are being received or waiting for their commit; with MAX_MESSAGE it bounds what strangers can make us hold."""
MOST_OF_ONE = MOST_CALLS // 2
"""Of one connection: whoever keeps all of his open leaves as many for others."""
READ_SECONDS = 30.0
"""For how long a message may be on its way: a sender that stops in the middle of one must not keep others out."""
DRAIN_SECONDS = 10.0
MOST_CONNECTIONS = 2000

_METHODS = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
}
_OPTIONS = (
    # A second process on the port must fail, and not take half of the connections.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_concurrent_streams", MOST_OF_ONE),
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Metadata of a call: beyond the first it may be refused, beyond the second it is.
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.absolute_max_metadata_size", 64 * 2**10),
    # Who keeps a connection without calling is sent away, and calls again when he has something.
    ("grpc.max_connection_idle_ms", 300_000),
    # Who is gone without a word is noticed, who pings all the time is sent away.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
)
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class PortTaken(Exception):
    """Nobody can listen at an address now; it says why."""


def refuse_taken(host: str, port: int) -> None:
    """Raises PortTaken where somebody else listens there, or nobody can."""
    failed: list[OSError] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortTaken(f"{_address(host, port)}: {error.strerror}") from error
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
        except OSError as error:
            failed.append(error)
    for why in failed:
        # A name may stand for an address of IPv6 too, on a machine that has none.
        if len(failed) == len(found) or why.errno not in _ABSENT:
            raise PortTaken(f"{_address(host, port)}: {why.strerror}") from why


class GrpcDoor(grpc.GenericRpcHandler):
    """Takes OTLP over gRPC for these doors. It lives on the event loop that starts it."""

    def __init__(
        self,
        doors: Doors,
        bodies: Bodies,
        host: str,
        port: int,
        admit: Callable[[str | None], Principal | None] | None = None,
        *,
        most_connections: int = MOST_CONNECTIONS,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """With the port 0 any free one is taken, and `port` says which as soon as it is started.

        `admit` is given what a call says in `authorization`, and raises Refusal for whoever may not send; without it
        anybody may. With `credentials` it speaks TLS, and nothing else.
        """
        self._doors = doors
        self._bodies = bodies
        self._admit = admit
        self._host = host
        self.port = port
        self._most_connections = most_connections
        self._credentials = credentials
        self._calls = 0
        self._server: aio.Server | None = None

    async def start(self) -> None:
        """Begin to take calls. Raises PortTaken."""
        most = ("grpc.max_allowed_incoming_connections", self._most_connections)
        server = aio.server(handlers=(self,), options=(*_OPTIONS, most))
        address = _address(self._host, self.port)
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(address)
            else:
                self.port = server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise PortTaken(f"{address}: {error}") from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Take no more calls, and return when those that were taken are answered."""
        if self._server is not None:
            await self._server.stop(DRAIN_SECONDS)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Part of grpc.GenericRpcHandler; whoever calls another method is answered UNIMPLEMENTED."""
        signal = _METHODS.get(handler_call_details.method)
        if signal is None:
            return None

        async def take(_messages: Any, context: aio.ServicerContext[Any, Any]) -> bytes:
            return await self._take(signal, context)

        # On the wire it is the same. As a stream, when to read the message is up to us.
        return grpc.stream_unary_rpc_method_handler(take)

    async def _take(self, signal: Signal, context: aio.ServicerContext[Any, Any]) -> bytes:
        if self._calls >= MOST_CALLS:
            await _refuse(context, too_much(), signal)
        self._calls += 1
        known = acting.set(None)
        try:
            if self._admit is not None:
                # Nothing is read of whoever may not send.
                acting.set(self._admit(_authorization(context)))
            body = await _read(context)
            with self._bodies.holding(len(body)):
                answer = await self._doors.export(signal, body)
            return answer.SerializeToString()
        except Refusal as refusal:
            await _refuse(context, refusal, signal)
        finally:
            acting.reset(known)
            self._calls -= 1


def _authorization(context: aio.ServicerContext[Any, Any]) -> str | None:
    said = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
    return said[0] if len(said) == 1 and isinstance(said[0], str) else None


async def _read(context: aio.ServicerContext[Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(READ_SECONDS):
            body = await context.read()
    except TimeoutError as error:
        raise Refusal(408, f"the message did not come within {READ_SECONDS:.0f} seconds") from error
    if not isinstance(body, bytes):
        # Also where it was too large, which the library has answered by then.
        raise Refusal(400, "there is no message")
    return body


async def _refuse(context: aio.ServicerContext[Any, Any], refusal: Refusal, signal: Signal) -> NoReturn:
    status = status_of(refusal, signal)
    if refusal.retry_after:
        detail = Packed()
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=refusal.retry_after)))
        status.details.append(detail)
    # https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, as google.rpc.Status is carried.
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(_CODES[status.code], status.message)
    raise AssertionError("abort raises")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
