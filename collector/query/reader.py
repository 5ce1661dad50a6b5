"""Reading: a pool of asynchronous connections, rows as dicts, and the JSON forms of their values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa
from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.dialects.postgresql import psycopg as dialect

from collector.query.staleness import Memory
from collector.store.database import session, sqlalchemy_url
from collector.store.sql import load
from slo_rules import instants

Row = dict[str, Any]
T = TypeVar("T")
Q = load("query")
CHUNK = 1_000
READS = "-c default_transaction_read_only=on -c statement_timeout=20s -c jit=off"
"""A session that only reads, on the primary or on a standby. To compile a question takes longer than to answer it."""
DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


class Reader:
    """Runs statements of `query.sql`, and Core selects where a filter is put together at run time."""

    def __init__(self, database_url: str, *, most_connections: int = 6, patience: float = 10) -> None:
        """A reader of one server; `patience` is how many seconds a read waits for a connection."""
        self._memory = Memory()
        self._writes = 0
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            sqlalchemy_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False),
            min_size=1,
            max_size=most_connections,
            open=False,
            timeout=patience,
            kwargs={"row_factory": dict_row, "autocommit": True, **session("query", READS)},
        )

    async def open(self) -> None:
        """Begin to connect; a database that is away is waited for by the first read, not here."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @property
    def memory(self) -> Memory:
        """What was read of the server before that is read now."""
        return self._memory

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection[Row]]:
        """A connection for one statement, or for several that belong together."""
        return self._pool.connection()

    async def all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a named statement."""
        async with self.connection() as conn:
            return await (await conn.execute(Q[name], parameters)).fetchall()

    async def one(self, name: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The first row of a named statement."""
        async with self.connection() as conn:
            return await (await conn.execute(Q[name], parameters)).fetchone()

    async def select(self, statement: sa.Select[Any]) -> list[Row]:
        """All rows of a Core select."""
        async with self.connection() as conn:
            return await (await conn.execute(*compiled_select(statement))).fetchall()

    async def feed(self, statement: sa.Select[Any], take: Callable[[Sequence[tuple[Any, ...]]], None]) -> None:
        """Hand all rows of a Core select to `take`, CHUNK at a time, in another thread: for rows that are many."""
        async with self.connection() as conn:
            await feed_rows(conn, *compiled_select(statement), take)

    async def now(self) -> datetime:
        """The instant as of which what is read holds: of a primary what time it is there."""
        return await self.clock()

    async def clock(self) -> datetime:
        """The database's clock."""
        row = await self.one("now")
        assert row is not None
        found: datetime = row["clock_timestamp"]
        return found

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that may take several reads; whatever they go to, all of them go to the same."""
        return await ask()

    def require(self, at: int) -> None:
        """Raise Unsettled where what is read does not reach up to an instant (micros)."""

    def note_write(self) -> None:
        """Somebody has written through this process, and expects to see it in what is answered next."""
        self._writes += 1

    @property
    def writes(self) -> int:
        """How often somebody has."""
        return self._writes

    def replica(self) -> Row | None:
        """How the replica stands that is read, if one is; None where there is none."""
        return None


def compiled_select(statement: sa.Select[Any]) -> tuple[str, Mapping[str, Any]]:
    """A Core select as text with its parameters."""
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.params


async def feed_rows(
    conn: AsyncConnection[Row],
    statement: str,
    parameters: Mapping[str, Any],
    take: Callable[[Sequence[tuple[Any, ...]]], None],
) -> None:
    """Hand all rows of a statement to `take`, CHUNK at a time, in another thread."""
    async with conn.transaction(), conn.cursor("feed", binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(statement.encode(), parameters)
        while rows := await cursor.fetchmany(CHUNK):
            await asyncio.to_thread(take, rows)


def rfc3339(value: datetime | int | None) -> str | None:
    """RFC 3339 with `Z`, seconds or microseconds."""
    return None if value is None else instants.rfc3339(value)


def money(currency: str | None, amount: Decimal | None) -> Row | None:
    """`{"amount", "currency"}`, or None without an amount."""
    return None if amount is None else {"amount": float(amount), "currency": currency or ""}


def amounts(totals: Mapping[str, Decimal]) -> list[Row]:
    """Amounts per currency, largest first; currencies are never added up."""
    ordered = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"currency": currency, "amount": float(amount)} for currency, amount in ordered if amount]
