"""Reading: a pool of asynchronous connections, rows as dicts, and the JSON forms of their values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

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
Q = load("query")
CHUNK = 1_000
_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


class Reader:
    """Runs statements of `query.sql`, and Core selects where a filter is put together at run time."""

    def __init__(self, database_url: str, *, most_connections: int = 6) -> None:
        self.memory = Memory()
        url = sqlalchemy_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=most_connections,
            open=False,
            timeout=10,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                **session("query", "-c default_transaction_read_only=on -c statement_timeout=20s"),
            },
        )

    async def open(self) -> None:
        """Begin to connect; a database that is away is waited for by the first read, not here."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a named statement."""
        async with self._pool.connection() as conn:
            return await (await conn.execute(Q[name], parameters)).fetchall()

    async def one(self, name: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The first row of a named statement."""
        async with self._pool.connection() as conn:
            return await (await conn.execute(Q[name], parameters)).fetchone()

    async def select(self, statement: sa.Select[Any]) -> list[Row]:
        """All rows of a Core select."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        async with self._pool.connection() as conn:
            return await (await conn.execute(str(compiled), compiled.params)).fetchall()

    async def feed(self, statement: sa.Select[Any], take: Callable[[Sequence[tuple[Any, ...]]], None]) -> None:
        """Hand all rows of a Core select to `take`, CHUNK at a time, in another thread: for rows that are many."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        async with (
            self._pool.connection() as conn,
            conn.transaction(),
            conn.cursor("feed", binary=True, row_factory=tuple_row) as cursor,
        ):
            await cursor.execute(str(compiled), compiled.params)
            while rows := await cursor.fetchmany(CHUNK):
                await asyncio.to_thread(take, rows)

    async def now(self) -> datetime:
        """The database's clock."""
        row = await self.one("now")
        assert row is not None
        found: datetime = row["clock_timestamp"]
        return found


def rfc3339(value: datetime | int | None) -> str | None:
    """RFC 3339 with `Z`, seconds or microseconds."""
    return None if value is None else instants.rfc3339(value)


def money(currency: str | None, amount: Decimal | None) -> Row | None:
    """`{"amount", "currency"}`, or None without an amount."""
    return None if amount is None else {"amount": float(amount), "currency": currency or ""}


def amounts(totals: Mapping[str, Decimal]) -> list[Row]:
    """Amounts per currency, largest first; currencies are never added up."""
    ordered = sorted(totals.items(), key=lambda pair: -pair[1])
    return [{"currency": currency, "amount": float(amount)} for currency, amount in ordered if amount]
