"""Views of the worklist that people share: a name for filters, sort and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.reader import Row, rfc3339
from collector.query.sight import seen_by_asker
from collector.query.views import view_in_sight
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.acts import LONGEST_NAME, said_text, unknown_fields

Q = load("handling")

LONGEST_VIEW_NAME = 60
LONGEST_QUERY = 4_000
MOST_VIEWS = 200


class ViewTaken(Exception):
    """There is a view of that name already, and it was not said that it should be replaced."""


def read_view(name: str, said: Mapping[str, Any]) -> Row:
    """The view that somebody wants to keep. Raises BadQuery with every fault."""
    faults = unknown_fields(said, ("query", "by", "replace"))
    found: Row = {
        "name": said_text({"name": name}, "name", LONGEST_VIEW_NAME, faults),
        "query": said_text(said, "query", LONGEST_QUERY, faults),
        "by": said_text(said, "by", LONGEST_NAME, faults),
        "replace": said.get("replace", False),
    }
    if not isinstance(found["replace"], bool):
        faults.append("replace: must be true or false")
    if found["query"].startswith(("?", "/")) or "#" in found["query"]:
        faults.append("query: must be what stands after the ? of the worklist's address")
    if faults:
        raise BadQuery(*faults)
    return found


class SavedViews:
    """The shared views of one database; `wrote` is told when one has changed."""

    def __init__(self, pool: ConnectionPool[Connection], catalogue: Catalogue, wrote: Callable[[], None]) -> None:
        self._pool, self._catalogue, self._wrote = pool, catalogue, wrote

    def _is_hidden(self, conn: Connection, name: str) -> bool:
        """Whether there is a view of that name that whoever asks is not shown: it is not his to change."""
        seen = seen_by_asker(self._catalogue)
        row = conn.cursor(row_factory=dict_row).execute(Q["view"], {"name": name}).fetchone()
        return row is not None and not view_in_sight(row, seen)

    async def save(self, name: str, said: Mapping[str, Any]) -> Row:
        """Keep a view. Raises BadQuery with every fault, and ViewTaken."""
        view = read_view(name, said)

        def act() -> Row | None:
            with self._pool.connection() as conn, conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
                others = cursor.execute(Q["count_views"], {"name": view["name"]}).fetchone()
                if others is not None and others["count"] >= MOST_VIEWS:
                    raise BadQuery(f"name: there are {MOST_VIEWS} views already; delete one first")
                if self._is_hidden(conn, view["name"]):
                    return None
                return cursor.execute(Q["save_view"], view).fetchone()

        kept = await run_in_threadpool(act)
        if kept is None:
            raise ViewTaken(view["name"])
        self._wrote()
        return view_row(kept)

    async def drop(self, name: str) -> bool:
        """Forget a view; whether there was one."""
        if "\x00" in name or len(name) > LONGEST_VIEW_NAME:
            return False

        def act() -> bool:
            with self._pool.connection() as conn, conn.transaction():
                if self._is_hidden(conn, name):
                    return False
                return conn.execute(Q["drop_view"], {"name": name}).fetchone() is not None

        gone = await run_in_threadpool(act)
        self._wrote()
        return gone


def view_row(row: Row) -> Row:
    """A view as it is answered."""
    return row | {"at": rfc3339(row["at"])}
