"""Who sends or reads slowly, holds too many connections or sends a head without end: he is sent away, others are served.

Raw sockets at a real uvicorn; the clock by which connections are judged goes on when the tests say so.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from collector.ingest.bodies import Bodies, Refusal, problem
from milepost import connections as connections_of
from milepost.connections import MAX_HEAD, MAX_HEADERS, files_for
from tests.examples import on_one_database
from tests.integration.fix_http import Http, serving, until

pytestmark = pytest.mark.slow

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /take HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


class App:
    """What is served: `/`, a door that takes a body, an answer without end, and one that waits until it is let go."""

    def __init__(self) -> None:
        self.bodies = Bodies()
        self.taken: list[int] = []
        self.gone = 0
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.let_go = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self.say), Route("/take", self.take, methods=["POST"]), Route("/endless", self.endless),
                Route("/wait", self.wait), Route("/refuse", self.refuse, methods=["POST"]),
            ]
        )  # fmt: skip

    async def say(self, request: Request) -> Response:
        self.headers.append(list(request.scope["headers"]))
        return PlainTextResponse("here")

    async def take(self, request: Request) -> Response:
        self.headers.append(list(request.scope["headers"]))
        try:
            async with self.bodies.read(request) as body:
                self.taken.append(len(body))
        except Refusal as refusal:
            self.gone += 1
            return problem("events", refusal)
        return PlainTextResponse("taken")

    async def refuse(self, _request: Request) -> Response:
        return PlainTextResponse("no", 401)

    async def wait(self, _request: Request) -> Response:
        await self.let_go.wait()
        return PlainTextResponse("waited")

    async def endless(self, _request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)
            finally:
                self.gone += 1

        return StreamingResponse(parts())


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def http(app: App) -> AsyncIterator[Http]:
    async with serving(app.app) as made:
        yield made


async def is_served(http: Http) -> None:
    """Another client gets its answer."""
    other = await http.open()
    await other.send(GET)
    assert await other.answer() == (200, b"here")
    await other.close()


# Heads


@pytest.mark.parametrize(
    "dripped",
    [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", b"\r\n\r\n\r\n", GET[:-1]],
    ids=["silent", "a letter", "a header", "empty lines", "all but the last byte"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(http: Http, dripped: bytes) -> None:
    slow = await http.open()
    await http.until(1)
    for byte in dripped:
        await slow.send(bytes([byte]))
        http.later(9.0 / len(dripped))
    await is_served(http)
    http.later(10)
    assert b"408 Request Timeout" in await slow.ended()
    await http.until(0)


async def test_two_hundred_slow_heads_keep_nobody_out_and_all_go(http: Http, app: App) -> None:
    async with serving(app.app, most=1000) as roomy:
        slow = [await roomy.open() for _ in range(200)]
        await roomy.until(200)
        for one in slow:
            await one.send(b"GET / HTTP/1.1\r\n")
        await is_served(roomy)
        roomy.later(10)
        for one in slow:
            await one.ended()
        await roomy.until(0)


async def test_empty_lines_between_requests_are_no_way_to_stay(http: Http) -> None:
    peer = await http.open()
    await peer.send(GET)
    await peer.answer()
    await until(lambda: standing(http).idle_since)
    await peer.send(b"\r\n")
    await until(lambda: standing(http).head_since)
    http.later(10)
    assert b"408" in await peer.ended()


async def test_an_idle_connection_is_ended_and_one_that_asks_is_not(http: Http) -> None:
    peer = await http.open()
    for _ in range(3):
        await peer.send(GET)
        assert (await peer.answer())[0] == 200
        await until(lambda: standing(http).idle_since)
        http.later(29)
    http.later(1)
    assert await peer.ended() == b""


def standing(http: Http) -> connections_of.Standing:
    (one,) = http.connections._known
    return one.standing


@pytest.mark.parametrize(
    "head",
    [
        b"x-long: " + b"v" * (2 * MAX_HEAD) + b"\r\n",
        b"".join(b"x-%d: v\r\n" % number for number in range(MAX_HEADERS + 1)),
        b"x" * (2 * MAX_HEAD) + b": v\r\n",
    ],
    ids=["one long header", "many headers", "a long name"],
)
async def test_a_head_that_is_too_large_is_refused(http: Http, app: App, head: bytes) -> None:
    peer = await http.open()
    await peer.send(b"GET / HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n")
    assert b"431" in await peer.ended()
    assert app.headers == []
    await is_served(http)


async def test_a_head_without_end_is_not_kept(http: Http) -> None:
    peer = await http.open()
    await peer.send(b"GET / HTTP/1.1\r\nx-long: ")
    sent = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while not peer.reader.at_eof() and sent < 64 * 2**20:
        await peer.send(b"v" * 65536)
        sent += 65536
        await asyncio.sleep(0)
        if http.connections._known == set():
            break
    assert sent < 8 * 2**20
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 32 * 2**10
    await is_served(http)


async def test_a_hundred_headers_and_a_long_url_are_taken(http: Http, app: App) -> None:
    peer = await http.open()
    many = b"".join(b"x-%d: %s\r\n" % (number, b"v" * 500) for number in range(MAX_HEADERS - 1))
    await peer.send(b"GET /?q=" + b"a" * 4000 + b" HTTP/1.1\r\nhost: x\r\n" + many + b"\r\n")
    assert (await peer.answer())[0] == 200
    assert len(app.headers[0]) == MAX_HEADERS


# Bodies


async def test_a_body_that_drips_is_not_waited_for_and_nothing_of_it_stays_held(http: Http, app: App) -> None:
    slow = await http.open()
    await slow.send(POST + b"x" * 1000)
    await until(lambda: app.bodies._in_flight)
    for _ in range(19):
        await slow.send(b"x")
        http.later(1)
    await is_served(http)
    http.later(1)
    assert b"408 Request Timeout" in await slow.ended()
    await until(lambda: app.gone)
    assert app.bodies._in_flight == 0
    assert app.taken == []


async def test_a_slow_body_that_is_no_attack_is_taken(http: Http, app: App) -> None:
    slow = await http.open()
    await slow.send(POST)
    await http.until(1)
    for number in range(10):
        await slow.send(b"x" * 10_000)
        await until(lambda number=number: app.bodies._in_flight == 10_000 * (number + 1) or app.taken)  # type: ignore[misc]
        http.later(20)
    assert await slow.answer() == (200, b"taken")
    assert app.taken == [100_000]


async def test_who_was_refused_cannot_stay_by_going_on_with_his_body(http: Http) -> None:
    peer = await http.open()
    await peer.send(POST.replace(b"/take", b"/refuse"))
    assert (await peer.answer())[0] == 401
    for _ in range(19):
        await peer.send(b"x")
        http.later(1)
    http.later(1)
    await peer.ended()
    await http.until(0)


async def test_what_trails_a_body_is_no_header(http: Http, app: App) -> None:
    peer = await http.open()
    chunked = b"POST /take HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    await peer.send(chunked + b"2\r\nhi\r\n0\r\nx-forwarded-user: admin\r\n\r\n")
    assert await peer.answer() == (200, b"taken")
    assert app.taken == [2]
    assert b"x-forwarded-user" not in dict(app.headers[0])
    await peer.send(chunked + b"0\r\n" + b"".join(b"x-%d: v\r\n" % number for number in range(200)))
    assert b"431" in await peer.ended()


async def test_whom_we_do_not_read_is_not_slow(http: Http, app: App) -> None:
    peer = await http.open()
    await peer.send(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n" + POST)
    await until(lambda: http.connections._known and standing(http).body_since)
    http.later(3600)
    app.let_go.set()
    assert await peer.answer() == (200, b"waited")
    await peer.send(b"x" * 100_000)
    assert await peer.answer() == (200, b"taken")


async def test_a_process_that_stood_still_holds_that_against_nobody(http: Http) -> None:
    peer = await http.open()
    await peer.send(GET[:10])
    await http.until(1)
    http.clock.now += 3600
    http.connections.forgive(3599)
    http.connections.sweep()
    await peer.send(GET[10:])
    assert await peer.answer() == (200, b"here")


# Answers


async def test_who_does_not_read_his_answer_is_sent_away(http: Http, app: App) -> None:
    peer = await http.open()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await peer.send(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
    await until(lambda: http.connections._known and standing(http).unread_since)
    http.later(19)
    await is_served(http)
    assert app.gone == 0
    http.later(1)
    await until(lambda: app.gone)
    await http.until(0)


async def test_what_we_take_our_time_for_is_waited_for(http: Http, app: App) -> None:
    peer = await http.open()
    await peer.send(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n" + GET[:10])
    await until(lambda: http.connections._known and standing(http).answering)
    http.later(3600)
    app.let_go.set()
    assert await peer.answer() == (200, b"waited")
    await peer.send(GET[10:])
    assert await peer.answer() == (200, b"here")


# How many


async def test_when_all_connections_are_taken_the_idlest_makes_room_and_else_one_is_told_to_come_again(
    app: App,
) -> None:
    async with serving(app.app, most=5, trusted=[ip_network("127.0.0.0/8")]) as http:
        asking = [await http.open() for _ in range(4)]
        idle = await http.open()
        await http.until(5)
        for one in asking:
            await one.send(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await idle.send(GET)
        await idle.answer()
        await until(lambda: any(one.standing.idle_since for one in http.connections._known))
        more = await http.open()
        assert await idle.ended() == b""
        await more.send(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await until(lambda: sum(one.standing.answering for one in http.connections._known) == 5)
        refused = await http.open()
        said = await refused.ended()
        assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1\r\n" in said
        app.let_go.set()
        for one in (*asking, more):
            assert await one.answer() == (200, b"waited")


async def test_one_address_has_a_quarter_of_the_connections_and_a_trusted_proxy_all(app: App) -> None:
    async with serving(app.app, most=40) as http:
        held = [await http.open() for _ in range(10)]
        await http.until(10)
        assert b"503" in await (await http.open()).ended()
        await held[0].close()
        await http.until(9)
        await is_served(http)


def test_more_connections_than_files_are_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(allowed))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: allowed.__setitem__(0, limits[0]))
    assert files_for(1000) == 1000
    assert allowed[0] == 2256
    with structlog.testing.capture_logs() as logs:
        assert files_for(10_000) == 1920
    assert [one["event"] for one in logs] == ["fewer_connections"]


# Anything


_PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([GET, POST, b"\r\n", b"0\r\n\r\n", b"transfer-encoding: chunked\r\n", b"PRI * HTTP/2.0\r\n\r\n"]),
    st.builds(lambda at, junk: GET[:at] + junk + GET[at:], st.integers(0, len(GET)), st.binary(max_size=8)),
)


@on_one_database(100)
@given(st.lists(_PIECES, max_size=6))
async def test_no_bytes_break_it_and_whatever_came_is_gone_in_time(http: Http, pieces: list[bytes]) -> None:
    peer = await http.open()
    await until(lambda: len(http.connections) == 1)
    for piece in pieces:
        await peer.send(piece)
    await asyncio.sleep(0)
    for _ in range(100):
        http.later(5)
        await asyncio.sleep(0)
        if len(http.connections) == 0:
            break
    assert len(http.connections) == 0
    await peer.close()
    await is_served(http)
    await http.until(0)
