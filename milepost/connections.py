"""The connections of HTTP: how slowly one may send or read, how many there are, and how much a head may hold.

uvicorn waits for ever for a head and for a body, holds a head of any length, and takes the trailers of a body for
headers. Here each connection notes when what it is about began, and once a second all are judged (`overdue`); nothing
is done for a request but to note that.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector import metrics
from milepost.access_settings import Network

log = structlog.get_logger("milepost")

MAX_HEAD = 64 * 2**10
"""Bytes of the first line and all headers of a request, and of what trails its body."""
MAX_HEADERS = 100
LEAST_RATE = 500
"""Bytes a second that a body must bring: what is slower is meant to be."""
_OWN_FILES = 256
"""Open files that we need besides connections: the database's, the buffer's, the log's."""
_SHARE = 4
"""One address that is no trusted proxy has at most this part of all connections."""


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a head, the next piece of a body or answer, and the next request are waited for."""

    head: float = 10.0
    body: float = 20.0
    idle: float = 30.0


@dataclass(slots=True)
class Standing:
    """What a connection is about, and since when; instants are seconds of a clock that only goes on.

    `head_since` while a head is awaited, `body_since` while a body is, with its bytes since then; `unread_since` while
    the other end does not read what it is sent, `idle_since` while nothing is asked.
    """

    head_since: float | None = None
    body_since: float | None = None
    body_bytes: int = 0
    unread_since: float | None = None
    idle_since: float | None = None
    answering: bool = False

    def forgive(self, seconds: float) -> None:
        """As if all had begun so much later."""
        for name in ("head_since", "body_since", "unread_since", "idle_since"):
            since = getattr(self, name)
            if since is not None:
                setattr(self, name, since + seconds)


def overdue(standing: Standing, patience: Patience, now: float) -> str | None:
    """Why a connection must go: `slow_head`, `slow_body`, `slow_reader` or `idle`; None while it may stay."""
    if standing.unread_since is not None and now - standing.unread_since >= patience.body:
        return "slow_reader"
    if standing.body_since is not None:
        late = now - standing.body_since >= patience.body
        return "slow_body" if late and standing.body_bytes < LEAST_RATE * patience.body else None
    if standing.answering:
        return None
    if standing.head_since is not None:
        return "slow_head" if now - standing.head_since >= patience.head else None
    if standing.idle_since is not None and now - standing.idle_since >= patience.idle:
        return "idle"
    return None


class Connections:
    """All connections of a process. `protocol` makes one of each; `watch` runs until it is cancelled."""

    def __init__(
        self,
        most: int,
        patience: Patience,
        trusted: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self.clock = clock
        self._most = most
        self._trusted = trusted
        self._known: set[WatchedConnection] = set()
        self._of_address: Counter[str] = Counter()

    def protocol(self, *arguments: Any, **named: Any) -> WatchedConnection:
        """What uvicorn makes for each connection."""
        return WatchedConnection(self, *arguments, **named)

    def __len__(self) -> int:
        return len(self._known)

    async def watch(self) -> None:
        """Send away who is too slow, once a second."""
        while True:
            began = self.clock()
            await asyncio.sleep(1)
            # While we stood still nobody was heard.
            self.forgive(max(0.0, self.clock() - began - 1))
            self.sweep()

    def sweep(self) -> None:
        """Send away who is too slow by now."""
        now = self.clock()
        for one in list(self._known):
            standing = one.standing
            if standing.body_since is not None and one.flow.read_paused:
                # It is we who do not read on.
                standing.body_since = now
            why = overdue(standing, self.patience, now)
            if why is not None:
                one.send_away(why)
            elif standing.body_since is not None and now - standing.body_since >= self.patience.body:
                standing.body_since, standing.body_bytes = now, 0

    def forgive(self, seconds: float) -> None:
        """Let so much count against nobody."""
        for one in self._known:
            one.standing.forgive(seconds)

    def admit(self, one: WatchedConnection) -> bool:
        """Whether there is room for one more; whoever has been idle for longest makes some."""
        address = one.address
        if self._of_address[address] >= max(1, self._most // _SHARE) and not self._is_trusted(address):
            return False
        if len(self._known) >= self._most:
            idle = [other for other in self._known if other.standing.idle_since is not None]
            if not idle:
                return False
            # It is gone as soon as the loop goes on.
            longest = min(idle, key=lambda other: other.standing.idle_since or 0.0)
            longest.send_away("idle")
            self.release(longest)
        self._known.add(one)
        self._of_address[address] += 1
        return True

    def release(self, one: WatchedConnection) -> None:
        """It is gone, or somebody else's."""
        if one in self._known:
            self._known.discard(one)
            self._of_address[one.address] -= 1
            if not self._of_address[one.address]:
                del self._of_address[one.address]

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)


class WatchedConnection(HttpToolsProtocol):
    """A connection that notes what it is about."""

    def __init__(self, all_: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.standing = Standing()
        self.address = ""
        self._all = all_
        self._admitted = False
        self._began = False
        self._incomplete = 0
        self._named = 0
        self._count = 0
        self._refused = b""

    # What asyncio tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._admitted = self._all.admit(self)
        if not self._admitted:
            metrics.SENT_AWAY.labels("too_many").inc()
            self.transport = transport
            transport.write(_answer(b"503 Service Unavailable", b"there are too many connections", b"1"))
            transport.close()
            return
        self.standing.head_since = self._all.clock()
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.release(self)
        if self._admitted:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._admitted or self.transport.is_closing():
            return
        standing = self.standing
        if standing.body_since is None and standing.head_since is None:
            # Also what is no beginning of a request yet, such as empty lines.
            standing.head_since, standing.idle_since = self._all.clock(), None
        self._began = False
        super().data_received(data)
        # Of a piece in which a request begins it is not known how much of it is that request's.
        self._incomplete = 0 if self._began or standing.head_since is None else self._incomplete + len(data)
        if self._incomplete > MAX_HEAD and not self.transport.is_closing():
            self._too_large()
            self.send_400_response("")

    def pause_writing(self) -> None:
        self.standing.unread_since = self._all.clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.standing.unread_since = None
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._all.release(self)
        super().handle_websocket_upgrade()

    # What the parser tells

    def on_message_begin(self) -> None:
        self._began = True
        self._named = self._count = 0
        self.standing.idle_since = None
        if self.standing.head_since is None:
            self.standing.head_since = self._all.clock()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._note_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        self._note_head(len(name) + len(value))
        # What trails a body is no header: whoever stands before us has not looked at it (RFC 9110 6.5.1).
        if self.standing.body_since is None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        standing = self.standing
        standing.head_since, standing.answering = None, True
        standing.body_since, standing.body_bytes = self._all.clock(), 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.standing.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.standing.body_since = None
        self._note_idle()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.standing.answering = bool(self.cycle is not None and not self.cycle.response_complete)
        self._note_idle()

    def _note_idle(self) -> None:
        standing = self.standing
        done = self.cycle is None or self.cycle.response_complete
        if done and standing.body_since is None and standing.head_since is None:
            standing.idle_since, standing.answering = self._all.clock(), False

    def _note_head(self, size: int) -> None:
        self._named += size
        if self._count > MAX_HEADERS or self._named > MAX_HEAD:
            self._too_large()
            raise _TooLarge

    # How it ends

    def _too_large(self) -> None:
        metrics.SENT_AWAY.labels("large_head").inc()
        said = f"at most {MAX_HEADERS} headers of {MAX_HEAD} bytes together are taken".encode()
        self._refused = _answer(b"431 Request Header Fields Too Large", said)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 — as it is called
        """Answer what cannot be read, and hang up. What is being answered is cut off."""
        if self._may_answer():
            self.transport.write(self._refused or _answer(b"400 Bad Request", b"this is no HTTP request"))
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete or not self.cycle.response_started

    def send_away(self, why: str) -> None:
        """Hang up, and say why where that can still be read."""
        metrics.SENT_AWAY.labels(why).inc()
        if self.transport.is_closing():
            # It was told before, and does not read even that.
            self.transport.abort()
            return
        if why in ("slow_head", "slow_body") and self._may_answer():
            self.transport.write(_answer(b"408 Request Timeout", b"the request did not come in time"))
        if why == "slow_reader":
            self.transport.abort()
        else:
            self.transport.close()


class _TooLarge(Exception):
    """A head that is larger than what is taken."""


def _answer(status: bytes, title: bytes, retry_after: bytes = b"") -> bytes:
    body = b'{"type":"about:blank","title":"' + title + b'","status":' + status[:3] + b"}"
    again = b"retry-after: " + retry_after + b"\r\n" if retry_after else b""
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/problem+json\r\n" + again
    return head + b"connection: close\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def files_for(most: int) -> int:
    """How many connections there may be: as many as wanted, where this process may have so many files open.

    Its soft limit is raised for that as far as the hard one lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Over gRPC there may be as many once more.
    wanted = 2 * most + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return most
    fewer = max(10, (soft - _OWN_FILES) // 2)
    log.warning("fewer_connections", wanted=most, allowed=fewer, why=f"this process may have {hard} files open")
    return fewer
