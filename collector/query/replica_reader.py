"""Questions go to a replica; to the primary goes what it cannot answer, and everything that is no question.

A question may take several reads. All of them go to one server, or its answer would be of two moments. What fails on
the replica, because it went away or had to end the read in order to go on replaying, is asked of the primary once more
as a whole. Who wrote through this process is answered by the primary until the replica has what came of that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from collector import metrics
from collector.query.moments import Unsettled
from collector.query.reader import READS, Reader, Row, T, rfc3339
from collector.query.staleness import Memory
from collector.query.standing import Identity, Replayed, Standing, Written, stand
from collector.store.database import session, sqlalchemy_url
from collector.store.sql import load
from slo_rules.instants import to_datetime

log = structlog.get_logger("milepost.replica")

Q = load("replica")
LOOK_SECONDS = 1.0
"""How often the replica is looked at."""
_ANSWER_SECONDS = 4.0
"""A server that has not answered after so long counts as away."""
_PATIENCE_SECONDS = 2.0
"""So long a read waits for a connection to the replica; then the primary is asked."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where a question goes: to the replica, as of an instant, or to the primary."""

    replica: Reader | None = None
    as_of: datetime | None = None


_PRIMARY = _Asked()
_asked: ContextVar[_Asked | None] = ContextVar("asked", default=None)
answered_as_of: ContextVar[datetime | None] = ContextVar("answered_as_of", default=None)
"""As of when what the present task was answered last holds; None where the primary answered it."""


class ReplicaReader(Reader):
    """Reads questions from a replica as long as that is fit, and from the primary else."""

    def __init__(self, database_url: str, replica_url: str, *, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(database_url)
        self._replica_url = replica_url
        self._look_seconds = look_seconds
        self._replica: Reader | None = None
        self._servers = _Server(database_url, "primary watch"), _Server(replica_url, "replica watch")
        self._primary: Written | None = None
        self._primary_at = 0.0
        self._standing: Standing | None = None
        self._reason = "it has not been reached yet"
        self._seen = 0
        self._sweeps_past: datetime | None = None
        self._wake = asyncio.Event()
        self._left = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to connect, and to look at the replica; until it was seen the primary is read."""
        await super().open()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop looking, and close the connections."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for server in self._servers:
            await server.close()
        if self._replica is not None:
            await self._replica.close()
        await super().close()

    @property
    def memory(self) -> Memory:
        """What was read before of the server that the present question goes to."""
        asked = _asked.get()
        return asked.replica.memory if asked and asked.replica else super().memory

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection[Row]]:
        """A connection to the server that the present question goes to."""
        asked = _asked.get()
        return asked.replica.connection() if asked and asked.replica else super().connection()

    async def now(self) -> datetime:
        """The instant as of which the server stands that the present question goes to, by the primary's clock."""
        asked = _asked.get()
        return asked.as_of if asked and asked.as_of else await super().now()

    def require(self, at: int) -> None:
        """Raise Unsettled where the replica, if the present question goes there, has not got to an instant (micros)."""
        asked = _asked.get()
        if asked and asked.as_of and to_datetime(at) > asked.as_of:
            raise Unsettled(f"the replica that is read is as of {rfc3339(asked.as_of)}")

    def note_write(self) -> None:
        """Answer from the primary until the replica has what comes of something written now."""
        super().note_write()
        self._wake.set()

    def replica(self) -> Row | None:
        """Whether the replica is read and else why not, as of when it is, and how many seconds that is behind."""
        standing = self._standing
        if standing is None:
            return {"used": False, "reason": self._reason, "as_of": None, "lag_seconds": None}
        lag = round(self._lag(standing).total_seconds(), 3)
        reason = "it does not have yet what came of an act here" if self._awaits_own_write(standing) else None
        return {"used": reason is None, "reason": reason, "as_of": rfc3339(standing.as_of), "lag_seconds": lag}

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question, from the replica if that can give it, else from the primary.

        Raises what `ask` raises of the primary, and of the replica what asking again would not help.
        """
        if _asked.get() is not None:
            return await ask()
        replica, standing = self._replica, self._standing
        if replica is None or standing is None:
            metrics.READ_FALLBACKS.labels("away").inc()
        elif self._awaits_own_write(standing):
            metrics.READ_FALLBACKS.labels("own_write").inc()
        else:
            try:
                found, as_of = await _unless(self._left, self._ask_replica(replica, standing, ask))
            except psycopg.errors.QueryCanceled:
                # It took too long, and would on the primary too.
                raise
            except psycopg.errors.SerializationFailure:
                metrics.READ_FALLBACKS.labels("conflict").inc()
            except Unsettled:
                metrics.READ_FALLBACKS.labels("later").inc()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests):
                metrics.READ_FALLBACKS.labels("failed").inc()
                self._wake.set()
            else:
                answered_as_of.set(as_of)
                return found
        answered_as_of.set(None)
        return await self._ask(_PRIMARY, ask)

    async def _ask_replica(
        self, replica: Reader, standing: Standing, ask: Callable[[], Awaitable[T]]
    ) -> tuple[T, datetime]:
        """The answer, and as of when it is: not before the last commit in it, or a verdict would be of the future."""
        row = await replica.one("last_commit_replayed")
        as_of = max(standing.as_of, row["at"]) if row and row["at"] else standing.as_of
        return await self._ask(_Asked(replica, as_of), ask), as_of

    async def _ask(self, asked: _Asked, ask: Callable[[], Awaitable[T]]) -> T:
        token = _asked.set(asked)
        try:
            return await ask()
        finally:
            _asked.reset(token)

    def _now(self) -> datetime:
        """What time it is by the primary's clock, which may be away: this machine's goes on from what it said last."""
        assert self._primary is not None
        return self._primary.at + timedelta(seconds=time.monotonic() - self._primary_at)

    def _lag(self, standing: Standing) -> timedelta:
        """How far it is behind; while it is looked at as often as it should be, as far as it was then."""
        since = self._now() - standing.at - timedelta(seconds=2 * self._look_seconds)
        return standing.lag + max(timedelta(), since)

    def _awaits_own_write(self, standing: Standing) -> bool:
        if self._writes > self._seen:
            return True
        past = self._sweeps_past
        return past is not None and (standing.swept_to is None or standing.swept_to < past)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("replica_watch_failed")
                await self._leave("it cannot be looked at")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._look_seconds)
            self._wake.clear()

    async def _look(self) -> None:
        """Ask the primary how far it has written, then the replica how far it has replayed, and go by that."""
        primary, replica = self._servers
        writes = self._writes
        written = await primary.ask("written")
        if isinstance(written, dict):
            self._primary_at, self._primary = time.monotonic(), Written(written["at"], written["written"], _of(written))
            if writes > self._seen:
                self._seen, self._sweeps_past = writes, written["at"]
        found = await replica.ask("replayed")
        if isinstance(found, str):
            await self._leave(found)
        elif self._primary is None:
            await self._leave("the primary has not been reached yet")
        else:
            at = self._primary.at if isinstance(written, dict) else self._now()
            replayed = Replayed(
                found["standby"], found["replayed"], found["last_commit"], found["swept_to"], _of(found)
            )
            former = self._standing.as_of if self._standing else None
            standing = stand(self._primary, replayed, former, at)
            await (self._go_on(standing) if standing.unfit is None else self._leave(standing.unfit))

    async def _go_on(self, standing: Standing) -> None:
        if self._replica is None:
            # A new one: the connections of the one before may have ended with the server.
            self._replica, self._left = Reader(self._replica_url, patience=_PATIENCE_SECONDS), asyncio.Event()
            await self._replica.open()
            log.info("replica_read", as_of=rfc3339(standing.as_of), lag_seconds=standing.lag.total_seconds())
        self._standing = standing
        metrics.READ_REPLICA_USED.set(not self._awaits_own_write(standing))
        metrics.READ_REPLICA_LAG.set(self._lag(standing).total_seconds())

    async def _leave(self, reason: str) -> None:
        if self._replica is not None or reason != self._reason:
            log.warning("replica_not_read", reason=reason, instead="the primary is read")
        left, self._replica, self._standing, self._reason = self._replica, None, None, reason
        metrics.READ_REPLICA_USED.set(0)
        metrics.READ_REPLICA_LAG.set(float("nan"))
        self._left.set()
        if left is not None:
            await left.close()


async def _unless(left: asyncio.Event, asked: Coroutine[Any, Any, T]) -> T:
    """What a question answers; psycopg.OperationalError as soon as the replica was left that it waits for.

    A server that stands still never says that it does.
    """
    answering, leaving = asyncio.create_task(asked), asyncio.create_task(left.wait())
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        answering.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise psycopg.OperationalError("the replica was left")
    finally:
        leaving.cancel()
        answering.cancel()


class _Server:
    """A server that is asked one statement at a time, on a connection of its own."""

    def __init__(self, url: str, name: str) -> None:
        self._url = sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._name = name
        self._conn: AsyncConnection[Row] | None = None
        self._giving_up: set[asyncio.Task[None]] = set()
        self._said = ""

    async def ask(self, statement: str) -> Row | str:
        """The row of a statement, or why there is none."""
        asking = asyncio.create_task(self._ask(statement))
        try:
            await asyncio.wait({asking}, timeout=_ANSWER_SECONDS)
        finally:
            if not asking.done():
                # Not waited for: to end a statement a server is asked, and this one does not answer.
                conn, self._conn = self._conn, None
                giving_up = asyncio.create_task(_give_up(asking, conn))
                self._giving_up.add(giving_up)
                giving_up.add_done_callback(self._giving_up.discard)
        if not asking.done():
            return f"it has not answered for {_ANSWER_SECONDS:g} seconds"
        try:
            row = asking.result()
        except psycopg.Error as error:
            await self.close()
            # What the error says, such as the name of a machine, is for the log and not for everybody.
            said = str(error).strip()
            if said != self._said:
                log.warning("server_not_asked", server=self._name, error=said)
            self._said = said
            return "it cannot be reached"
        self._said = ""
        return row or "it has not answered"

    async def _ask(self, statement: str) -> Row | None:
        if self._conn is None:
            self._conn = await AsyncConnection.connect(
                self._url, autocommit=True, row_factory=dict_row, **session(self._name, READS)
            )
        return await (await self._conn.execute(Q[statement])).fetchone()

    async def close(self) -> None:
        """End the connection, if there is one."""
        if self._conn is not None:
            conn, self._conn = self._conn, None
            await conn.close()


async def _give_up(asking: asyncio.Task[Row | None], conn: AsyncConnection[Row] | None) -> None:
    asking.cancel()
    await asyncio.wait({asking})
    if conn is not None:
        await conn.close()


def _of(row: Row) -> Identity:
    return Identity(row["cluster"], row["database"], row["schema"])
