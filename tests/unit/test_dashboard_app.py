from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dash
import httpx
import pytest
from fastapi import FastAPI

from dashboard.app import build_dashboard
from dashboard.lifespan import StartupFailedError, running
from dashboard.mount import mount
from dashboard.pages import live
from dashboard.security import content_security_policy


class NoQuery:
    def replica(self) -> dict[str, Any] | None:
        return None

    async def workflows(self) -> dict[str, Any]:
        return {"items": []}


@pytest.fixture
def pages() -> dash.Dash:
    return build_dashboard(NoQuery())  # type: ignore[arg-type]


@pytest.fixture
def api() -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        app.state.log = ["started"]
        yield {"shared": "state"}
        app.state.log.append("stopped")

    app = FastAPI(lifespan=lifespan)

    @app.get("/api/v1/ping")
    async def ping() -> dict[str, bool]:
        return {"ok": True}

    return app


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def test_no_callback_blocks_the_event_loop(pages: dash.Dash) -> None:
    pages._setup_server()
    server_side = {k: v["callback"] for k, v in pages.callback_map.items() if "callback" in v}
    assert len(server_side) >= 10
    blocking = [k for k, callback in server_side.items() if not inspect.iscoroutinefunction(callback)]
    assert blocking == []
    assert all(inspect.iscoroutinefunction(p["layout"]) for n, p in dash.page_registry.items() if "404" not in n)


async def test_each_address_reaches_its_part(pages: dash.Dash, api: FastAPI) -> None:
    app = mount(api, pages, "/dashboard/")
    async with running(app), client(app) as c:
        assert (await c.get("/")).headers["location"] == "/dashboard/"
        assert (await c.get("/dashboard?a=b")).headers["location"] == "/dashboard/?a=b"
        assert (await c.get("/api/v1/ping")).json() == {"ok": True}
        assert (await c.get("/api/v1/nothing")).status_code == 404
        assert "text/html" in (await c.get("/dashboard/worklist?verdict=stuck")).headers["content-type"]


async def test_both_lifespans_run_and_the_api_stops_last(pages: dash.Dash, api: FastAPI) -> None:
    state: dict[str, Any] = {}
    async with running(mount(api, pages, "/dashboard/"), state):
        assert api.state.log == ["started"]
        assert state == {"shared": "state"}
    assert api.state.log == ["started", "stopped"]


async def test_an_api_that_cannot_start_is_told_to_the_server(pages: dash.Dash) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(StartupFailedError, match="no database"):
        async with running(mount(FastAPI(lifespan=lifespan), pages, "/dashboard/")):
            pass


async def test_an_api_without_lifespan_is_taken_as_started(pages: dash.Dash) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = mount(bare, pages, "/dashboard/")
    async with running(app), client(app) as c:
        assert (await c.get("/x")).status_code == 204


async def test_the_first_request_may_be_a_deep_link_and_has_its_assets_and_headers(
    pages: dash.Dash, api: FastAPI
) -> None:
    app = mount(api, pages, "/dashboard/")
    async with running(app), client(app) as c:
        answer = await c.get("/dashboard/instances/1")
    assert "/assets/10-milepost.js" in answer.text
    assert '<html lang="en"' in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    script = next(p for p in policy.split("; ") if p.startswith("script-src"))
    assert "unsafe" not in script
    assert "sha256-" in script


async def test_bundles_come_compressed_and_are_not_sent_twice(pages: dash.Dash, api: FastAPI) -> None:
    async with client(mount(api, pages, "/dashboard/")) as c:
        html = (await c.get("/dashboard/")).text
        path = next(p for p in html.split('"') if "_dash-component-suites/dash/dash-renderer" in p)
        brotli = await c.get(path, headers={"accept-encoding": "gzip, br"})
        gzip = await c.get(path, headers={"accept-encoding": "gzip"})
        assert brotli.headers["content-encoding"] == "br"
        assert gzip.headers["content-encoding"] == "gzip"
        assert int(brotli.headers["content-length"]) < int(gzip.headers["content-length"])
        again = await c.get(path, headers={"if-none-match": brotli.headers["etag"]})
        assert again.status_code == 304
        assert (await c.get("/dashboard/_dash-component-suites/none/x.js")).status_code == 404


def test_only_executable_inline_scripts_are_allowed_by_hash() -> None:
    policy = content_security_policy(
        '<script src="a.js"></script><script type="application/json">{}</script><script>go()</script>'
    )
    assert policy.count("sha256-") == 1


def test_what_always_moves_is_no_change() -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC)
    later = now + timedelta(seconds=5)

    def shown(payload: dict[str, Any], at: datetime, redraw: int | None = None) -> str:
        return live.version(payload, {}, at, redraw)

    before = {"as_of": "1", "sources": [{"source": "sap", "lag_seconds": 1}], "n": 1}
    after = {"as_of": "2", "sources": [{"source": "sap", "lag_seconds": 9}], "n": 1}
    assert shown(before, now) == shown(after, later)
    assert shown(before, now) != shown({**after, "n": 2}, later)
    assert shown(before, now, 60) != shown(before, now + timedelta(seconds=60), 60)
