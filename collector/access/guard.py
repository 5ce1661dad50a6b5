"""Stands before everything that a process serves: who asks, and may he?

Nothing that is refused is read, and no answer repeats what was sent to show who somebody is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import msgspec
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from collector import metrics
from collector.access.forwarded import Forwarded
from collector.access.limits import Limited, Limits
from collector.access.policy import is_foreign, need_of
from collector.access.principal import INGEST, How, Principal, acting
from collector.access.refusals import Refusals
from collector.access.roster import Roster, Stale
from collector.store.database import Connection

COOKIE = "milepost_session"
SECURE_COOKIE = "__Host-milepost_session"
_AGAIN_SECONDS = 1.0
_EVERYTHING = frozenset(("admin", INGEST))
_Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """Why a request is not let in."""

    status: int
    why: str
    retry_after: int | None = None
    by: str = ""


class Guard:
    """Lets requests in to `app`, with whoever asks in `acting`. With `roster` None nobody has to say who he is.

    `trusted` are the proxies whose word counts on who somebody is and where he asks from.
    """

    def __init__(
        self,
        app: ASGIApp,
        roster: Roster | None,
        pool: ConnectionPool[Connection] | None = None,
        *,
        forwarded: Forwarded | None = None,
        trusted: _Networks = (),
        login: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self._roster = roster
        self._pool = pool
        self._forwarded = forwarded
        self._trusted = trusted
        self._login = login
        self._limits = limits
        self._turn = asyncio.Lock()
        self._refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "WEBSOCKET")
        headers = dict(scope["headers"])
        try:
            who = await self._known(scope, method, headers)
        except Refused as refused:
            await self._refuse(scope, send, refused, method, headers)
            return
        token = acting.set(who)
        try:
            await self._app(scope, receive, send)
        finally:
            acting.reset(token)

    async def _known(self, scope: Scope, method: str, headers: dict[bytes, bytes]) -> Principal | None:
        path: str = scope["path"]
        has_session = COOKIE.encode() in headers.get(b"cookie", b"") or (
            self._forwarded is not None and b"authorization" not in headers
        )
        needed = need_of(method, path)
        if is_foreign(method, headers, has_session=has_session and self._roster is not None):
            raise Refused(403, "this was sent for a page of another site")
        if self._roster is None:
            address = _address(scope)
            return Principal("", How.OPEN, _EVERYTHING, address=address)
        if needed is None:
            return None
        who = await self._who(scope, headers)
        if who is None:
            raise Refused(401, "say who you are: send Authorization: Bearer with an API key, or log in")
        if not who.may(needed):
            raise Refused(403, f"you may not do this: it needs {needed}", by=who.name)
        if self._limits is not None:
            try:
                self._limits.admit(who)
            except Limited as limited:
                raise Refused(429, str(limited), limited.retry_after) from limited
        return replace(who, address=_address(scope)) if needed != INGEST else who

    async def _who(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal | None:
        assert self._roster is not None
        now = time.time_ns() // 1000
        said = headers.get(b"authorization")
        try:
            if said is not None:
                scheme, _, token = said.decode("latin-1").partition(" ")
                return self._roster.of_key(token.strip(), now) if scheme.lower() == "bearer" else None
            if self._forwarded is not None and self._is_trusted(scope):
                return self._forwarded.who(headers) if self._forwarded.is_said_once(scope["headers"]) else None
            session = _cookie(headers, secure=scope.get("scheme") in ("https", "wss"))
            return await self._of_session(session, now) if session else None
        except Stale as error:
            raise Refused(503, "who may do what cannot be read: the database is away", 5) from error

    async def _of_session(self, token: str, now: int) -> Principal | None:
        assert self._roster is not None
        found = self._roster.of_session(token, now)
        if found is None and self._pool is not None:
            # Another process may have let him in a moment ago. Whoever guesses makes it read once a second at most, and
            # takes one thread.
            async with self._turn:
                if not self._roster.was_read_within(_AGAIN_SECONDS):
                    await run_in_threadpool(self._read_again, self._pool, self._roster)
            found = self._roster.of_session(token, now)
        return found

    @staticmethod
    def _read_again(pool: ConnectionPool[Connection], roster: Roster) -> None:
        try:
            with pool.connection(timeout=2) as conn:
                roster.read(conn)
        except (psycopg.Error, PoolTimeout):
            # What is known holds on, and the duty says what is wrong.
            return

    def _is_trusted(self, scope: Scope) -> bool:
        peer = scope.get("milepost.peer") or scope.get("client")
        try:
            address = ipaddress.ip_address(peer[0]) if peer else None
        except ValueError:
            return False
        return address is not None and any(address in network for network in self._trusted)

    async def _refuse(
        self, scope: Scope, send: Send, refused: Refused, method: str, headers: dict[bytes, bytes]
    ) -> None:
        if refused.status != 429:
            metrics.REFUSED.labels(str(refused.status)).inc()
        # Who brings nothing has only not logged in yet.
        if refused.status == 403 or (refused.status == 401 and (b"authorization" in headers or b"cookie" in headers)):
            self._refusals.tell(
                refused.status, refused.why, by=refused.by, address=_address(scope), method=method, path=scope["path"],
                now=time.time(),
            )  # fmt: skip
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused.why})
            return
        asks_for_page = method in ("GET", "HEAD") and b"text/html" in headers.get(b"accept", b"")
        if refused.status == 401 and self._login and asks_for_page:
            called = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            location = f"{self._login}?next={quote(called, safe='')}"
            await _answer(send, 303, [(b"location", location.encode("latin-1"))], b"")
            return
        body = msgspec.json.encode({"type": "about:blank", "title": refused.why, "status": refused.status})
        more = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
        if refused.status == 401:
            more.append((b"www-authenticate", b'Bearer realm="milepost"'))
        if refused.retry_after:
            more.append((b"retry-after", str(refused.retry_after).encode()))
        await _answer(send, refused.status, more, b"" if method == "HEAD" else body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    head = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _cookie(headers: dict[bytes, bytes], *, secure: bool) -> str | None:
    """The token of a session. Over TLS only the cookie counts that no other site can have set."""
    found = cookie_parser(headers.get(b"cookie", b"").decode("latin-1"))
    return found.get(SECURE_COOKIE if secure else COOKIE)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def remember_peer(app: ASGIApp) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Keep who is really at the other end, before a proxy's word on that is taken."""

    async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["milepost.peer"] = scope.get("client")
        await app(scope, receive, send)

    return remembering
