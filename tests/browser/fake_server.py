"""Serves the dashboard over the fake query layer: `python tests/browser/fake_server.py 8300`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fake_query import FakeQuery
from fastapi import FastAPI, HTTPException, Query

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
        min_value: float | None = None, due_within_seconds: float | None = None, sort: str = "deadline_at", cursor: str | None = None, limit: int = 50,
        offset: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        if query.broken:
            raise HTTPException(503)
        return await query.instances(
            workflow=workflow, domain=domain, verdict=verdict, owner=owner, source_awaited=source_awaited,
            waiting_for=waiting_for, key=key, q=q, min_age_seconds=min_age_seconds, min_value=min_value,
            due_within_seconds=due_within_seconds, sort=sort, cursor=cursor, limit=limit, offset=offset,
        )  # fmt: skip

    @api.post("/test/add-stuck")
    async def add_stuck(workflow: str = "order-to-cash") -> dict[str, str]:
        return {"id": query.add_stuck(workflow)}

    @api.post("/test/broken")
    async def broken(on: bool) -> None:
        query.broken = on

    return api


def application(query: FakeQuery) -> Any:
    return mount(fake_api(query), build_dashboard(query), "/dashboard/")


if __name__ == "__main__":
    flags = sys.argv[2:]
    fake = FakeQuery(empty="empty" in flags)
    fake.broken = "broken" in flags
    uvicorn.run(application(fake), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
