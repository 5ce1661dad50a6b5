"""The part of the API by which people act on incidents and silences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from alerting import acts
from alerting.sight import is_silence_in_sight, require_incident, require_known_silence, require_silence
from collector.access import audit
from collector.acts_api import body_of, said_in
from collector.catalogue import Catalogue
from collector.query.sight import Seen, seen_by_asker

Row = dict[str, Any]
Pool = ConnectionPool[psycopg.Connection[Any]]
_ANSWERS: dict[int | str, Row] = {
    400: {"description": "it cannot be said so; every fault is named"},
    404: {"description": "there is no such incident or silence; other faults are named too"},
    409: {"description": "the state of the incident or silence is in the way"},
}
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "acknowledge": (("by",), ("until",)),
    "withdraw": (("by",), ()),
    "assign": (("by", "to"), ()),
    "comment": (("by", "text"), ("request",)),
    "postpone": (("by", "until", "reason"), ()),
    "link": (("by", "url", "title"), ()),
    "resolve": (("by", "reason"), ()),
}
"""What each act needs, and what it may say besides."""


def add_incident_acts(
    api: FastAPI, pool: Pool, catalogue: Catalogue, clock: Callable[[], int], wrote: Callable[[], None]
) -> None:
    """What people do. `clock` says now (micros, UTC); `wrote` is told when something was written."""
    how: Row = {"tags": ["act"], "responses": _ANSWERS}

    def seen() -> Seen | None:
        return seen_by_asker(catalogue)

    async def do(
        act: Callable[[psycopg.Connection[Any]], Any],
        what: str = "",
        on: str = "",
        said: Row | None = None,
        before: Callable[[psycopg.Connection[Any]], Row] | None = None,
    ) -> Any:
        def run() -> Any:
            with pool.connection() as conn, conn.transaction():
                former = before(conn) if before is not None else {}
                answer = act(conn)
                if what:
                    audit.record(conn, [audit.entry(what, on, former, {"said": said, "now": answer})])
                return answer

        found = await run_in_threadpool(run)
        wrote()
        return found

    def offer(name: str) -> None:
        needed, may = _FIELDS[name]
        does = acts.ACTS[name]

        async def act(id: str, request: Request) -> Row:
            said = await said_in(request)

            def act_in_sight(conn: psycopg.Connection[Any]) -> Row:
                require_incident(conn, id, seen())
                return does(conn, id, said, clock())

            found: Row = await do(
                act_in_sight, f"incident.{name}", f"incident {id}", said, lambda conn: acts.standing(conn, id)
            )
            return found

        api.post(
            f"/api/v1/incidents/{{id}}/{name}",
            **how,
            name=f"{name}_incident",
            description=does.__doc__,
            openapi_extra=body_of(*needed, may=may),
        )(act)

    for name in _FIELDS:
        offer(name)

    @api.get("/api/v1/silences", tags=["query"])
    async def silences() -> Row:
        """The silences under way, to come and over, those that end last first."""
        found = await do(lambda conn: acts.silences(conn, clock()))
        return {"items": [one for one in found if is_silence_in_sight(one["match"], seen())]}

    fields = body_of("by", "reason", "match", "until", may=("owner", "since", "request"))

    @api.post("/api/v1/silences", **how, status_code=201, openapi_extra=fields)
    async def silence(request: Request) -> Row:
        """Let nobody be told of what matches for a time, at most 30 days."""
        said = await said_in(request)
        require_silence(said.get("match"), seen())
        found: Row = await do(lambda conn: acts.silence(conn, said, clock()), "silence.made", "a silence", said)
        return found

    @api.delete("/api/v1/silences/{id}", **how, openapi_extra=body_of("by"))
    async def end_silence(id: str, request: Request) -> Row:
        """End a silence now."""
        said = await said_in(request)

        def end(conn: psycopg.Connection[Any]) -> Row:
            require_known_silence(conn, id, seen())
            return acts.end_silence(conn, id, said, clock())

        found: Row = await do(
            end, "silence.ended", f"silence {id}", said, lambda conn: acts.standing_of_silence(conn, id)
        )
        return found
