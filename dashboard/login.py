"""The pages on which people log in and out, and give themselves passwords."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access import audit, people
from collector.access.guard import COOKIE, SECURE_COOKIE
from collector.access.passwords import Throttle
from collector.access.principal import Grant, How, Principal, acting
from collector.access.roster import Roster, Stale
from collector.store.database import Connection
from dashboard.login_forms import first_password_form, login_form, own_password_form, page
from dashboard.oidc import Begun, Oidc, OidcRefused
from slo_rules.durations import SECOND

_MOST_BODY = 8 * 2**10
_AT_ONCE = 2
"""Passwords that are judged side by side: each takes 64 MiB for as long."""
_MOST_WAITING = 50


class Login:
    """Lets people in by password, or by what a provider says of them, and out again."""

    def __init__(
        self,
        pool: ConnectionPool[Connection],
        roster: Roster,
        *,
        oidc: Oidc | None = None,
        start: str = "/dashboard/",
    ) -> None:
        self._pool = pool
        self._roster = roster
        self._start = start
        self._oidc = oidc
        self._throttle = Throttle()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def routes(self) -> Sequence[Route]:
        """What the application has besides."""
        return (
            Route("/login", self.ask_to_enter, methods=["GET"]),
            Route("/login", self.enter, methods=["POST"]),
            Route("/login/password", self.choose_password, methods=["POST"]),
            Route("/login/oidc", self.ask_provider, methods=["GET"]),
            Route("/login/callback", self.come_back, methods=["GET"]),
            Route("/logout", self.leave, methods=["POST"]),
            Route("/logout", self.ask_to_leave, methods=["GET"]),
            Route("/password", self.ask_for_password, methods=["GET"]),
            Route("/password", self.change_password, methods=["POST"]),
        )

    async def ask_to_enter(self, request: Request) -> Response:
        """The form."""
        return page(self._form(request.query_params.get("next", "")))

    async def enter(self, request: Request) -> Response:
        """Judge name and password; a cookie and the page that was asked for, or the form once more.

        Whoever has a password that somebody else chose is asked for another one, and is not let in before.
        """
        said = await _said(request)
        if said is None:
            return page("<p class=fault>The form cannot be read.</p>", 400)
        name, password, aim = (said.get(field, "") for field in ("name", "password", "next"))
        name, address, now = name[: people.LONGEST_NAME + 1], _address(request), time.time_ns() // 1000

        def judge() -> str | None:
            with self._pool.connection() as conn:
                grant = people.grant_of(conn, name, password)
                if grant is not None and people.is_provisional(conn, name):
                    people.note_password_due(conn, grant.principal(name, How.PASSWORD, address))
                    raise _Provisional
                return begin(conn, self._roster, name, grant, How.PASSWORD, address, now, _tokens(request))

        try:
            found = await self._judged(
                name, address, now, judge, lambda fault: self._form(aim, fault), "Name or password is wrong."
            )
        except _Provisional:
            return page(first_password_form(name, within(aim, self._start)))
        return found if isinstance(found, Response) else self.let_in(request, found, aim)

    async def choose_password(self, request: Request) -> Response:
        """Another password for whoever has one that somebody else chose; then he is let in."""
        said = await _said(request)
        if said is None:
            return page("<p class=fault>The form cannot be read.</p>", 400)
        name, old, new, aim = (said.get(field, "") for field in ("name", "old", "new", "next"))
        aim = within(aim, self._start)
        return await self._give_password(
            request, name[: people.LONGEST_NAME + 1], old, new, aim, lambda fault: first_password_form(name, aim, fault)
        )

    async def _give_password(
        self, request: Request, name: str, old: str, new: str, aim: str, form: Callable[[str], str]
    ) -> Response:
        address, now = _address(request), time.time_ns() // 1000

        def give() -> str | None:
            with self._pool.connection() as conn:
                grant = people.change_own(conn, name, old, new, address, now)
                return begin(conn, self._roster, name, grant, How.PASSWORD, address, now, _tokens(request))

        found = await self._judged(name, address, now, give, form)
        return found if isinstance(found, Response) else self.let_in(request, found, aim)

    async def _judged(
        self,
        name: str,
        address: str,
        now: int,
        judge: Callable[[], str | None],
        form: Callable[[str], str],
        wrong: str = "The present password is wrong.",
    ) -> str | Response:
        """The token of a session that `judge` began when it was its turn, or the form with why there is none."""
        wait = self._throttle.wait(name, address, now)
        if wait:
            return page(form("Too many tries. Come again later."), 429, {"retry-after": str(-(-wait // SECOND))})
        if self._waiting >= _MOST_WAITING:
            return page(form("Too many are logging in. Try again."), 503, {"retry-after": "2"})
        # Counted before it is judged: tries that come side by side count too.
        self._throttle.note(name, address, now)
        self._waiting += 1
        try:
            async with self._turn:
                token = await run_in_threadpool(judge)
        except (psycopg.Error, PoolTimeout):
            self._throttle.forget(name, address)
            return page(form("The database cannot be reached."), 503, {"retry-after": "5"})
        except people.UserRefused as error:
            self._throttle.forget(name, address)
            why = str(error)
            return page(form(f"{why[:1].upper()}{why[1:]}."), 400)
        except _Provisional:
            self._throttle.forget(name, address)
            raise
        finally:
            self._waiting -= 1
        if token is None:
            return page(form(wrong), 401)
        self._throttle.forget(name, address)
        return token

    async def ask_provider(self, request: Request) -> Response:
        """Send the browser to the provider."""
        if self._oidc is None:
            return page("<p class=fault>There is no provider to ask.</p>", 404)
        try:
            place, begun = await self._oidc.begin(within(request.query_params.get("next", ""), self._start))
        except OidcRefused as error:
            return page(self._form("", f"{error}."), 503)
        answer = RedirectResponse(place, 303, {"cache-control": "no-store"})
        kept = base64.urlsafe_b64encode(msgspec.json.encode(begun)).decode()
        secure = request.url.scheme == "https"
        answer.set_cookie(
            _begun(request), kept, max_age=600, path="/", secure=secure, httponly=True, samesite="lax"
        )  # fmt: skip
        return answer

    async def come_back(self, request: Request) -> Response:
        """What the provider says, by way of the browser."""
        address, now = _address(request), time.time_ns() // 1000
        try:
            if self._oidc is None:
                raise OidcRefused("there is no provider to ask")
            try:
                begun = msgspec.json.decode(
                    base64.urlsafe_b64decode(request.cookies.get(_begun(request), "")), type=Begun
                )
            except ValueError as error:
                raise OidcRefused("no login has begun in this browser; log in once more") from error
            name, grant = await self._oidc.finish(begun, request.query_params)
            token = await run_in_threadpool(self._admit, name, grant, address, now, _tokens(request))
            if token is None:
                raise OidcRefused("you are in no group that may use this")
        except OidcRefused as error:
            answer = page(self._form("", f"{error}."), 403)
        except (psycopg.Error, PoolTimeout):
            answer = page(self._form("", "The database cannot be reached."), 503, {"retry-after": "5"})
        else:
            answer = self.let_in(request, token, begun.aim)
        answer.delete_cookie(_begun(request), path="/", secure=request.url.scheme == "https", httponly=True)
        return answer

    def _admit(self, name: str, grant: Grant | None, address: str, now: int, former: Sequence[str]) -> str | None:
        with self._pool.connection() as conn:
            return begin(conn, self._roster, name, grant, How.OIDC, address, now, former)

    def let_in(self, request: Request, token: str, aim: str) -> Response:
        """The answer with which somebody is logged in."""
        answer = RedirectResponse(within(aim, self._start), 303, {"cache-control": "no-store"})
        secure = request.url.scheme == "https"
        answer.set_cookie(
            SECURE_COOKIE if secure else COOKIE, token, max_age=self._roster.lengths.longest // SECOND,
            path="/", secure=secure, httponly=True, samesite="lax",
        )  # fmt: skip
        return answer

    async def ask_to_leave(self, _request: Request) -> Response:
        """A button: a link that logs out could be on any page."""
        return page(
            '<form method=post action="/logout"><button>Log out</button>'
            "<button name=everywhere value=yes>Log out everywhere</button>"
            '<p><a href="/password">Change the password</a></p></form>'
        )

    async def leave(self, request: Request) -> Response:
        """End the session, wherever it is known."""
        tokens, now = _tokens(request), time.time_ns() // 1000
        said = await _said(request) if request.headers.get("content-type") else {}
        everywhere = bool(said and said.get("everywhere"))
        try:
            found = [self._roster.of_session(token, now) for token in tokens]
        except Stale:
            found = []
        known = [replace(who, address=_address(request)) for who in found if who is not None]

        def end() -> None:
            with self._pool.connection() as conn:
                for token in tokens:
                    people.end_session(conn, token)
                for who in known if everywhere else ():
                    speaking = acting.set(who)
                    try:
                        people.log_out(conn, who.name, who.how)
                    finally:
                        acting.reset(speaking)
                conn.commit()
                self._roster.read(conn)

        try:
            await run_in_threadpool(end)
        except (psycopg.Error, PoolTimeout):
            return page("<p class=fault>The database cannot be reached: you are still logged in.</p>", 503)
        # What pages were shown is not left in the browser's cache for whoever sits there next.
        answer = RedirectResponse("/login", 303, {"clear-site-data": '"cache"'})
        for name in (COOKIE, SECURE_COOKIE):
            answer.delete_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="lax")
        return answer

    async def ask_for_password(self, _request: Request) -> Response:
        """The form in which a local user gives himself another password."""
        return page(own_password_form() if _is_local() else "<p>Your password is kept elsewhere.</p>")

    async def change_password(self, request: Request) -> Response:
        """Another password for whoever knows the present one; all his sessions end, and a new one begins here."""
        who, said = acting.get(), await _said(request)
        if who is None or not _is_local() or said is None:
            return page("<p class=fault>The form cannot be read, or your password is kept elsewhere.</p>", 400)
        old, new = said.get("old", ""), said.get("new", "")
        return await self._give_password(request, who.name, old, new, self._start, own_password_form)

    def _form(self, aim: str, fault: str = "") -> str:
        return login_form(within(aim, self._start), fault, provider=self._oidc is not None)


class _Provisional(Exception):
    """It is he, by a password that somebody else chose."""


def begin(
    conn: Connection, roster: Roster, name: str, grant: Grant | None, how: How, address: str, now: int,
    former: Sequence[str] = (),
) -> str | None:  # fmt: skip
    """The token of a new session, known to this process at once; None without a grant. Either is recorded.

    The sessions of the tokens that the browser brought end with it: what somebody has logged in over is over.
    """
    who = grant.principal(name, how, address) if grant else Principal(name, how, frozenset(), address=address)
    speaking = acting.set(who)
    try:
        with conn.transaction():
            token = people.begin_session(conn, name, grant, how, now, roster.lengths.longest) if grant else None
            for one in former if grant else ():
                people.end_session(conn, one)
            action = "login" if grant else "login.refused"
            said = {"role": grant.role, "sees": grant.sees or "all", "raw": grant.raw} if grant else {}
            audit.record(conn, [audit.entry(action, f"user {name}", {}, said)])
    finally:
        acting.reset(speaking)
    roster.read(conn)
    return token


def _is_local() -> bool:
    who = acting.get()
    return who is not None and who.how is How.PASSWORD


def within(aim: str, start: str) -> str:
    """Where somebody wanted to go, if that is here; else the first page. No address of another site gets through."""
    parts = urlsplit(aim) if aim.startswith("/") and not aim.startswith(("//", "/\\")) else None
    plain = aim.isascii() and aim.isprintable() and "\\" not in aim
    return aim if parts is not None and plain and not parts.scheme and not parts.netloc else start


def _tokens(request: Request) -> list[str]:
    """The sessions that a browser brings, under either name."""
    return [token for name in (COOKIE, SECURE_COOKIE) if (token := request.cookies.get(name))]


def _begun(request: Request) -> str:
    """The name of the cookie that keeps a login that has begun."""
    return "__Host-milepost_login" if request.url.scheme == "https" else "milepost_login"


async def _said(request: Request) -> dict[str, Any] | None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            return None
    try:
        pairs = parse_qsl(body.decode(), max_num_fields=10, keep_blank_values=True)
    except ValueError:
        return None
    return dict(pairs) if media == "application/x-www-form-urlencoded" else None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
