"""A collector behind its guard, with keys, users and sessions in a real database."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from psycopg_pool import ConnectionPool

from collector.access import audit, keys, people
from collector.access.forwarded import Forwarded, GroupRoles
from collector.access.guard import Guard
from collector.access.lengths import USUAL, Lengths
from collector.access.limits import Limits
from collector.access.principal import PersonRole
from collector.access.roster import Roster
from collector.store.database import Connection
from dashboard.login import Login
from dashboard.oidc import Oidc
from tests.described import held
from tests.integration.fix_doors import DEFINITIONS, Collector, running

PASSWORD = "correct horse battery"
PEER = ("203.0.113.9", 4711)


def now() -> int:
    """Micros."""
    return time.time_ns() // 1000


@dataclass
class Guarded:
    """What is behind the guard; `client` makes somebody who asks."""

    collector: Collector
    roster: Roster
    guard: Guard
    pool: ConnectionPool[Connection]
    client: Callable[..., httpx.AsyncClient]

    @property
    def conn(self) -> Connection:
        return self.collector.conn

    def key(self, *scopes: str, name: str = "it", expires: int | None = None, sees: list[str] | None = None) -> str:
        """A key that the process knows."""
        with self.conn.transaction():
            made = keys.create(self.conn, name, scopes, expires, now(), sees)
        self.refresh()
        return made

    def user(
        self, name: str, role: str, sees: list[str] | None = None, *, raw: bool = False, provisional: bool = False
    ) -> None:
        """A user with PASSWORD, which he chose himself."""
        with self.conn.transaction():
            people.add(self.conn, name, PersonRole(role), PASSWORD, now(), sees=sees, raw=raw, provisional=provisional)

    def refresh(self) -> None:
        """What the duty does every two seconds."""
        self.roster.refresh(self.conn, datetime.now(UTC))

    def recorded(self) -> list[dict[str, Any]]:
        """The audit log, whose chain holds."""
        assert audit.verify(self.conn).broken is None
        return list(audit.exported(self.conn))


@contextlib.asynccontextmanager
async def guarded(
    url: str,
    *,
    auth: bool = True,
    forwarded: bool = False,
    oidc: Oidc | None = None,
    definitions: str = DEFINITIONS,
    limits: Limits | None = None,
    lengths: Lengths = USUAL,
    environment: dict[str, str] | None = None,
) -> AsyncIterator[Guarded]:
    """A collector of which everybody must say who he is."""
    async with running(url, definitions, environment, limits=limits) as collector, contextlib.AsyncExitStack() as stack:
        roster = Roster(lengths=lengths)
        pool: ConnectionPool[Connection] = ConnectionPool(url, min_size=0, max_size=3, open=True)
        stack.callback(pool.close)
        collector.api.router.routes += Login(pool, roster, oidc=oidc).routes()
        by_proxy = Forwarded("x-user", "x-groups", GroupRoles({"ops": PersonRole.OPERATOR}, None))
        guard = Guard(
            collector.api,
            roster if auth else None,
            pool,
            forwarded=by_proxy if forwarded else None,
            trusted=(ipaddress.ip_network("10.0.0.0/8"),),
            login="/login",
            limits=limits,
        )
        roster.refresh(collector.conn, datetime.now(UTC))

        def client(key: str | None = None, peer: tuple[str, int] = PEER, scheme: str = "http") -> httpx.AsyncClient:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            transport = httpx.ASGITransport(guard, client=peer)
            made = httpx.AsyncClient(
                transport=transport,
                base_url=f"{scheme}://milepost",
                headers=headers,
                event_hooks=held(collector.api),
            )
            stack.push_async_callback(made.aclose)
            return made

        yield Guarded(collector, roster, guard, pool, client)
