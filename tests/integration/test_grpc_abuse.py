# ruff: noqa: F811
"""What is done to the gRPC door by whoever means harm: it lives, holds little, and takes what others send.

Each test ends with a call of somebody else that is taken. HTTP/2 is spoken by hand (fix_http2.py).
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import psutil
import pytest
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from collector.ingest import otlp_grpc
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor
from tests.examples import on_one_database
from tests.integration.fix_doors import Collector, collector  # noqa: F401
from tests.integration.fix_http2 import (
    BEGIN,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call_headers,
    frame,
    literal,
    talk,
)
from tests.integration.test_doors_otlp import as_protobuf, request, span
from tests.integration.test_doors_otlp_grpc import TRACES, call, channel, door, refused, said, until  # noqa: F401

pytestmark = pytest.mark.slow

MIB = 2**20
Code = grpc.StatusCode


@pytest.fixture
async def victim(channel: aio.Channel) -> AsyncIterator[aio.Channel]:
    """Somebody who sends as he should; before and after."""
    assert await call(channel, TRACES, as_protobuf(request(span()))) == b""
    yield channel
    assert await call(channel, TRACES, as_protobuf(request(span(spanId="00000000000000aa")))) == b""


class Held:
    """How much more memory this process has than before."""

    def __init__(self) -> None:
        gc.collect()
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss

    def __call__(self) -> int:
        return int(self._process.memory_info().rss - self._before)


async def abused(door: GrpcDoor, pieces: Any, **how: Any) -> tuple[int, bytes]:
    return await asyncio.to_thread(talk, door.port, pieces, **how)


async def test_streams_that_are_reset_as_soon_as_they_begin_cost_little(victim: aio.Channel, door: GrpcDoor) -> None:
    held, ask = Held(), call_headers(TRACES)

    def resets() -> Iterator[bytes]:
        yield BEGIN
        for number in range(20_000):
            stream = 2 * number + 1
            yield frame(HEADERS, END_HEADERS, stream, ask) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")

    attack = asyncio.create_task(abused(door, resets()))
    taken = 0
    while not attack.done():
        assert await call(victim, TRACES, b"") == b""
        taken += 1
    assert taken > 0
    await until(lambda: not door._calls)
    assert held() < 64 * MIB


async def test_headers_that_go_on_without_end_are_not_kept(victim: aio.Channel, door: GrpcDoor) -> None:
    held = Held()

    def continued() -> Iterator[bytes]:
        yield BEGIN + frame(HEADERS, 0, 1, call_headers(TRACES))
        for number in range(8_000):
            yield frame(CONTINUATION, 0, 1, literal(f"x-{number}", b"v" * 16_000))

    await abused(door, continued())
    assert held() < 64 * MIB
    assert door._calls == 0


async def test_headers_of_one_byte_each_that_stand_for_four_thousand_are_not_spelled_out(
    victim: aio.Channel, door: GrpcDoor
) -> None:
    held = Held()
    first = call_headers(TRACES) + literal("x-bomb", b"v" * 3900, indexed=True)
    # 62 is the first of the table that the sender fills.
    bomb = first + b"\xbe" * 12_000
    for _ in range(20):
        await abused(door, [BEGIN + frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb)])
    assert held() < 64 * MIB


@pytest.mark.parametrize("size", [70 * 2**10, 200 * 2**10, 4 * MIB])
async def test_metadata_that_is_too_large_is_refused(victim: aio.Channel, door: GrpcDoor, size: int) -> None:
    error = await refused(victim, TRACES, b"", metadata=[("x-large", "v" * size)])
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert door._calls == 0


async def test_a_key_of_the_usual_length_and_some_more_metadata_are_taken(victim: aio.Channel) -> None:
    assert await call(victim, TRACES, b"", metadata=[("x-more", "v" * 8000)]) == b""


@pytest.mark.parametrize(
    "flood",
    [
        frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 100,
        frame(DATA, 0, 1, b"") * 100,
        frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 100,
        frame(0xFA, 0xFF, 0, b"?" * 1000) * 100,
    ],
    ids=["settings", "empty data", "windows", "kinds that nobody knows"],
)
async def test_floods_of_frames_that_say_nothing_harm_nobody(victim: aio.Channel, door: GrpcDoor, flood: bytes) -> None:
    held = Held()
    begin = BEGIN + frame(HEADERS, END_HEADERS, 1, call_headers(TRACES))
    attack = asyncio.create_task(abused(door, [begin, *([flood] * 300)]))
    while not attack.done():
        assert await call(victim, TRACES, b"") == b""
    await until(lambda: not door._calls)
    assert held() < 64 * MIB


@pytest.mark.parametrize(
    "headers",
    [
        call_headers(TRACES, "text/html"),
        call_headers(TRACES, None),
        call_headers(TRACES, "application/grpc+json; a=" + "b" * 2000),
        call_headers(TRACES, verb="GET"),
        call_headers(TRACES, verb="CONNECT"),
        call_headers("/" + "a" * 8000),
        call_headers("no slash"),
        call_headers(TRACES) + literal("grpc-encoding", "zstd"),
        call_headers(TRACES) + literal("grpc-timeout", "99999999999H"),
        call_headers(TRACES) + literal("content-length", "99999999999"),
        call_headers(TRACES) + literal("authorization", b"\0\xff\r\n"),
        call_headers(TRACES) + literal(":path", "/other"),
        b"\xff" * 500,
        b"",
    ],
)
async def test_calls_that_are_none_are_refused(victim: aio.Channel, door: GrpcDoor, headers: bytes) -> None:
    message = frame(DATA, END_STREAM, 1, b"\0\0\0\0\0")
    await abused(door, [BEGIN + frame(HEADERS, END_HEADERS, 1, headers) + message])
    await until(lambda: not door._calls)


@pytest.mark.parametrize(
    "message",
    [
        b"\0\xff\xff\xff\xff",
        b"\0\x7f\xff\xff\xffxx",
        b"\1\0\0\0\5junk!",
        b"\7\0\0\0\0",
        b"\0\0\0",
        b"\0\0\0\0\2\xff\xff" * 500,
        b"\1\0\0\0\x14" + bytes.fromhex("1f8b08000000000000034b4c44050000ffff0000"),
    ],
    ids=["four gigabytes", "two gigabytes", "not gzip", "no such flag", "half a length", "five hundred", "half a gzip"],
)
async def test_messages_that_lie_about_themselves_are_refused(
    victim: aio.Channel, door: GrpcDoor, message: bytes
) -> None:
    held, ask = Held(), call_headers(TRACES) + literal("grpc-encoding", "gzip")
    for ended in (END_STREAM, 0):
        pieces = [BEGIN + frame(HEADERS, END_HEADERS, 1, ask) + frame(DATA, ended, 1, message)]
        await abused(door, pieces)
    await until(lambda: not door._calls)
    assert held() < 64 * MIB


async def test_one_connection_with_streams_that_never_end_leaves_room_for_others(
    victim: aio.Channel, door: GrpcDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = call_headers(TRACES)
    with socket.create_connection(("127.0.0.1", door.port), 240) as greedy:
        greedy.sendall(BEGIN + b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, ask) for n in range(200)))
        await until(lambda: door._calls >= otlp_grpc.MOST_OF_ONE)
        for _ in range(20):
            assert await call(victim, TRACES, b"") == b""
        assert door._calls <= otlp_grpc.MOST_OF_ONE
    await until(lambda: not door._calls)


async def test_streams_that_never_end_from_many_connections_are_ended(
    victim: aio.Channel, door: GrpcDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, passed = asyncio.get_running_loop(), 0.0
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + passed)
    opened = BEGIN + b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, call_headers(TRACES)) for n in range(30))
    greedy = [socket.create_connection(("127.0.0.1", door.port), 240) for _ in range(4)]
    for one in greedy:
        one.sendall(opened)
    await until(lambda: door._calls == otlp_grpc.MOST_CALLS)
    error = await refused(victim, TRACES, b"")
    assert (error.code(), said(error)[1]) == (Code.RESOURCE_EXHAUSTED, 1)
    passed = otlp_grpc.READ_SECONDS
    await until(lambda: door._calls < otlp_grpc.MOST_CALLS)
    assert await call(victim, TRACES, b"") == b""
    for one in greedy:
        one.close()
    await until(lambda: not door._calls)


async def test_whoever_connects_and_says_nothing_is_sent_away(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [(name, 500 if name == "grpc.server_handshake_timeout_ms" else value) for name, value in otlp_grpc._OPTIONS]
    monkeypatch.setattr(otlp_grpc, "_OPTIONS", tuple(short))
    held = Bodies()
    door = GrpcDoor(Doors(collector.writer, lambda: collector.catalogue.matcher, held), held, "127.0.0.1", 0)
    await door.start()
    try:
        for begun in (b"", b"PRI * HT"):
            # It is the other end that hangs up: nothing more is sent.
            await abused(door, [begun], half_close=False)
        async with aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            # On a busy machine it may itself have been too slow to greet.
            assert await call(channel, TRACES, b"", wait_for_ready=True) == b""
    finally:
        await door.stop()


async def test_more_connections_than_may_be_are_refused_and_there_is_room_again_when_some_go(
    collector: Collector,
) -> None:
    held = Bodies()
    doors = Doors(collector.writer, lambda: collector.catalogue.matcher, held)
    door = GrpcDoor(doors, held, "127.0.0.1", 0, most_connections=10)
    await door.start()

    def greet() -> socket.socket | None:
        made = socket.create_connection(("127.0.0.1", door.port), 240)
        made.settimeout(240)
        try:
            made.sendall(BEGIN)
            if made.recv(1):
                return made
        except OSError:
            pass
        made.close()
        return None

    try:
        greeted = [await asyncio.to_thread(greet) for _ in range(30)]
        kept = [one for one in greeted if one is not None]
        assert len(kept) == 10
        for one in kept:
            one.close()
        async with aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            assert await channel.unary_unary(TRACES)(b"", timeout=240, wait_for_ready=True) == b""
    finally:
        await door.stop()


_FRAMES = st.builds(
    frame,
    st.integers(0, 12) | st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1, 2**32 - 1]),
    st.binary(max_size=64)
    | st.sampled_from([call_headers(TRACES), b"\0\0\0\0\0", b"\xff" * 300, b"\0\0\0\x08", b"\0\4\xff\xff\xff\xff"]),
)
_LYING = st.builds(lambda whole, length: length.to_bytes(3, "big") + whole[3:], _FRAMES, st.integers(0, 2**24 - 1))


@on_one_database(400)
@given(st.lists(_FRAMES | _LYING | st.binary(max_size=40), min_size=1, max_size=12), st.booleans())
async def test_no_frames_make_the_door_fail(
    channel: aio.Channel, door: GrpcDoor, frames: list[bytes], greeted: bool
) -> None:
    await abused(door, [(BEGIN if greeted else b"") + b"".join(frames)])
    await until(lambda: not door._calls)
    assert await call(channel, TRACES, b"") == b""
