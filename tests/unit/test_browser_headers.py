"""What every answer tells a browser, and that it does not stand in the way of what says otherwise."""

from __future__ import annotations

import httpx
import pytest
from fastapi_offline import FastAPIOffline
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from milepost.browser_headers import DATA_POLICY, BrowserHeaders

POLICY = "content-security-policy"


async def asked(answer: Response, scheme: str = "http") -> httpx.Response:
    async def say(_: Request) -> Response:
        return answer

    app = BrowserHeaders(Starlette(routes=[Route("/", say)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{scheme}://milepost") as client:
        return await client.get("/")


@pytest.mark.parametrize("answer", [JSONResponse({}), Response(status_code=404), Response(b"x", 503)])
async def test_data_opened_as_a_page_may_do_nothing_and_is_not_kept(answer: Response) -> None:
    said = (await asked(answer)).headers
    assert said[POLICY] == DATA_POLICY.decode()
    assert said["x-content-type-options"] == "nosniff"
    assert said["referrer-policy"] == "same-origin"
    assert said["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in said[POLICY]


async def test_what_an_answer_says_itself_is_left_and_said_once() -> None:
    own = {POLICY: "default-src 'self'", "cache-control": "max-age=60", "x-content-type-options": "nosniff"}
    said = (await asked(HTMLResponse("<p>", headers=own))).headers
    for name, value in own.items():
        assert said.get_list(name) == [value]
    tagged = (await asked(JSONResponse({}, headers={"ETag": '"1"'}))).headers
    assert "cache-control" not in tagged


async def test_over_tls_a_browser_is_told_to_come_by_tls_alone_for_a_year() -> None:
    assert (await asked(JSONResponse({}), "https")).headers["strict-transport-security"] == (
        "max-age=31536000; includeSubDomains"
    )
    assert "strict-transport-security" not in (await asked(JSONResponse({}))).headers


async def test_of_a_page_without_a_policy_exactly_its_own_scripts_may_run() -> None:
    async def parts():  # noqa: ANN202
        for part in (b"<script>one", b"()</script>", b"<p>"):
            yield part

    said = await asked(StreamingResponse(parts(), media_type="text/html"))
    assert said.text == "<script>one()</script><p>"
    assert "script-src 'self' 'sha256-" in said.headers[POLICY]
    assert "object-src 'none'; base-uri 'none'" in said.headers[POLICY]
    assert "script-src 'self' 'unsafe-inline'" not in said.headers[POLICY]


async def test_the_reference_of_the_api_runs_under_its_policy() -> None:
    app = BrowserHeaders(FastAPIOffline())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://milepost") as client:
        page = await client.get("/docs")
    assert page.text.count("<script>") == page.headers[POLICY].count("'sha256-") > 0


async def test_what_streams_is_not_held_back() -> None:
    async def rows():  # noqa: ANN202
        yield b"a\n"
        yield b"b\n"

    said = await asked(StreamingResponse(rows(), media_type="text/csv"))
    assert said.text == "a\nb\n"
    assert said.headers[POLICY] == DATA_POLICY.decode()
