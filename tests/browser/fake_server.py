"""Serves the dashboard over the fake query layer: `python tests/browser/fake_server.py 8300`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fake_handling import act_on
from fake_query import FakeQuery
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from dashboard.app import build_dashboard
from dashboard.mount import mount


def fake_api(query: FakeQuery) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.started = True
        yield
        app.state.stopped = True

    api = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)

    @api.get("/api/v1/instances")
    async def instances(
        verdict: Annotated[list[str] | None, Query()] = None, workflow: str | None = None, domain: str | None = None,
        owner: str | None = None, source_awaited: str | None = None, waiting_for: str | None = None,
        key: str | None = None, q: str | None = None, min_age_seconds: float | None = None,
        min_value: float | None = None, due_within_seconds: float | None = None, assigned_to: str | None = None,
        acknowledged: bool | None = None, reason: str | None = None, sort: str = "deadline_at", cursor: str | None = None,
        limit: int = 50, offset: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        if query.broken:
            raise HTTPException(503)
        return await query.instances(
            workflow=workflow, domain=domain, verdict=verdict, owner=owner, source_awaited=source_awaited,
            waiting_for=waiting_for, key=key, q=q, min_age_seconds=min_age_seconds, min_value=min_value,
            due_within_seconds=due_within_seconds, assigned_to=assigned_to, acknowledged=acknowledged, reason=reason, sort=sort, cursor=cursor, limit=limit, offset=offset,
        )  # fmt: skip

    @api.get("/api/v1/instances/export")
    async def export(
        verdict: Annotated[list[str] | None, Query()] = None, sort: str | None = None
    ) -> PlainTextResponse:
        rows = (await query.instances(verdict=verdict, sort=sort or "title", limit=1_000))["items"]
        text = "id,title\r\n" + "".join(f"{r['id']},{r['title']}\r\n" for r in rows)
        return PlainTextResponse(text, headers={"content-disposition": 'attachment; filename="instances.csv"'})

    @api.post("/api/v1/instances/acts")
    async def act(request: Request) -> dict[str, Any]:
        if query.broken:
            raise HTTPException(503)
        return act_on(query.rows, await request.json(), query.now)

    @api.post("/api/v1/incidents/{id}/{act}")
    async def act_on_incident(id: str, act: str, request: Request) -> JSONResponse:
        status, body = query.happened.act(id, act, await request.json())
        return JSONResponse(body, status)

    @api.get("/api/v1/silences")
    async def silences() -> dict[str, Any]:
        return {"items": query.happened.silences}

    @api.post("/api/v1/silences", status_code=201)
    async def silence(request: Request) -> dict[str, Any]:
        return query.happened.silence(await request.json())

    @api.delete("/api/v1/silences/{id}")
    async def end_silence(id: str) -> dict[str, Any]:
        query.happened.silences = [one for one in query.happened.silences if one["id"] != id]
        return {"id": id}

    @api.get("/api/v1/zones")
    async def zones() -> dict[str, Any]:
        return {"items": [{"zone": "Europe/Berlin", "titles": ["Office hours, EMEA"]}]}

    @api.get("/api/v1/assignees")
    async def assignees() -> dict[str, Any]:
        return await query.assignees()

    @api.get("/api/v1/views")
    async def views() -> dict[str, Any]:
        return {"items": query.views}

    @api.put("/api/v1/views/{name}")
    async def save(name: str, request: Request) -> dict[str, Any]:
        said = await request.json()
        if any(view["name"] == name for view in query.views) and not said.get("replace"):
            raise HTTPException(409)
        kept = {"name": name, "query": said["query"], "by": said["by"], "at": None}
        query.views = [view for view in query.views if view["name"] != name] + [kept]
        return kept

    @api.delete("/api/v1/views/{name}", status_code=204)
    async def drop(name: str) -> None:
        query.views = [view for view in query.views if view["name"] != name]

    @api.post("/test/add-stuck")
    async def add_stuck(workflow: str = "order-to-cash") -> dict[str, str]:
        return {"id": query.add_stuck(workflow)}

    @api.post("/test/change")
    async def change() -> None:
        query.change()

    @api.post("/test/broken")
    async def broken(on: bool) -> None:
        query.broken = on

    return api


class _Regions:
    """Those of the query layer as they are now: tests put others in their place."""

    def __init__(self, query: FakeQuery) -> None:
        self._query = query

    async def overview(self) -> dict[str, Any]:
        return await self._query.regions.overview()


def application(query: FakeQuery) -> Any:
    return mount(fake_api(query), build_dashboard(query, regions=_Regions(query)), "/dashboard/")


if __name__ == "__main__":
    flags = sys.argv[2:]
    fake = FakeQuery(empty="empty" in flags)
    fake.broken = "broken" in flags
    uvicorn.run(application(fake), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
