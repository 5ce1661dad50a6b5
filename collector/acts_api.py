"""The part of the API by which people act, on instances and on dead letters."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import Response

from collector.access.permission import spoken_by
from collector.acts import Acts
from collector.handling import ACTS, MOST_AT_ONCE, Handling
from collector.saved_views import SavedViews
from collector.sources.dead_letters import DeadLetters

Row = dict[str, Any]
_INSTANT = {"format": "date-time"}

MOST_SAID = 16 * 2**10
"""Bytes of what a person says in one act."""
_ACT_ANSWERS: dict[int | str, Row] = {
    400: {"description": "it cannot be said so; every fault is named"},
    404: {"description": "there is no such instance; other faults are named too"},
    409: {"description": "the state of the instance or the event is in the way"},
}


def add_acts(api: FastAPI, acts: Acts) -> None:
    """What people say of instances."""
    path = "/api/v1/instances/{id}/waiver"
    how: Row = {"status_code": 202, "tags": ["act"], "responses": _ACT_ANSWERS}

    @api.post(path, **how, openapi_extra=body_of("by", "reason", "until"))
    async def waive(id: str, request: Request) -> Row:
        """Say that an instance needs no attention until then: it leaves alerting and stays in every report."""
        return await acts.waive(id, await said_in(request))

    @api.delete(path, **how, openapi_extra=body_of("by", "reason"))
    async def withdraw(id: str, request: Request) -> Row:
        """Withdraw the waiver of an instance before its end."""
        return await acts.withdraw(id, await said_in(request))

    path = "/api/v1/instances/{id}/rejected-joins"

    @api.post(path, **how, openapi_extra=body_of("source", "event", "by", "reason"))
    async def reject_join(id: str, request: Request) -> Row:
        """Say that one of its events joined what does not belong together: it counts in none from then on."""
        return await acts.reject_join(id, await said_in(request))

    @api.delete(path, **how, openapi_extra=body_of("source", "event", "by", "reason"))
    async def accept_join(id: str, request: Request) -> Row:
        """Let such an event count after all."""
        return await acts.accept_join(id, await said_in(request))

    @api.post("/api/v1/instances/{id}/version", **how, openapi_extra=body_of("version", "by", "reason"))
    async def move(id: str, request: Request) -> Row:
        """Let an open instance count under the version of its workflow that is in force, derived anew."""
        return await acts.move(id, await said_in(request))


def add_handling(api: FastAPI, handling: Handling) -> None:
    """What people do with many instances at once."""
    body = body_of("act", "ids", "by", may=("to", "text", "until", "request", "seen"))

    @api.post("/api/v1/instances/acts", tags=["act"], responses={400: _ACT_ANSWERS[400]}, openapi_extra=body)
    async def act(request: Request) -> Row:
        """Assign, acknowledge, comment or waive instances; each is answered by itself."""
        return await handling.act(await said_in(request, MOST_SAID + 1024 * MOST_AT_ONCE))


def add_views(api: FastAPI, views: SavedViews) -> None:
    """The views of the worklist that people share."""
    answers: dict[int | str, Row] = {400: _ACT_ANSWERS[400], 409: {"description": "there is one of that name"}}

    @api.put(
        "/api/v1/views/{name}", tags=["act"], responses=answers, openapi_extra=body_of("query", "by", may=("replace",))
    )
    async def save(name: str, request: Request) -> Row:
        """Share a view; `replace` puts it in the place of the one that has the name."""
        return await views.save(name, await said_in(request))

    @api.delete("/api/v1/views/{name}", tags=["act"], status_code=204, response_class=Response)
    async def drop(name: str) -> Response:
        """Share it no longer."""
        if not await views.drop(name):
            raise HTTPException(404, "there is no such view")
        return Response(status_code=204)


def add_letters(api: FastAPI, letters: DeadLetters) -> None:
    """What people ask of dead letters, and do with them."""
    how: Row = {"tags": ["act"], "responses": {400: _ACT_ANSWERS[400]}}

    @api.get("/api/v1/dead-letters/{id}", tags=["query"])
    async def dead_letter(id: str) -> Row:
        """One dead letter whole: what was sent as it is kept, the reason, and what became of it."""
        return or_404(await letters.one(id), "dead letter")

    @api.post(
        "/api/v1/dead-letters/replay", **how, openapi_extra=body_of("by", may=("ids", "source", "reason", "dry_run"))
    )
    async def replay(request: Request) -> Row:
        """Use letters by the mapping and the definitions in force; `dry_run` only says what would come of it."""
        return await letters.replay(await said_in(request))

    @api.post(
        "/api/v1/dead-letters/discard", **how, openapi_extra=body_of("by", "because", may=("ids", "source", "reason"))
    )
    async def discard(request: Request) -> Row:
        """Settle what needs not be used, and say why."""
        return await letters.discard(await said_in(request))


def body_of(*fields: str, may: tuple[str, ...] = ()) -> Row:
    """What OpenAPI says of a body with these fields, and with those it `may` have besides."""
    text = {"type": "string"}
    others: Row = {
        "until": text | _INSTANT,
        "version": {"type": "integer", "minimum": 1},
        "ids": {"type": "array", "items": text},
        "dry_run": {"type": "boolean"},
        "replace": {"type": "boolean"},
        "act": text | {"enum": list(ACTS)},
        "request": text | {"format": "uuid"},
        "since": text | _INSTANT,
        "match": {"type": "object"},
    }
    properties = {name: others.get(name, text) for name in (*fields, *may)}
    schema = {"type": "object", "required": list(fields), "additionalProperties": False, "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def said_in(request: Request, most: int = MOST_SAID) -> Row:
    """The JSON object of a small body, of at most so many bytes.

    Nothing but application/json is read: that is what a page of another site cannot send without being asked first.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes")
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return spoken_by(said)


def or_404(row: Row | None, what: str) -> Row:
    """The row, or an answer 404 that says what there is none of."""
    if row is None:
        raise HTTPException(404, f"there is no such {what}")
    return row
