"""One ASGI application out of two: the dashboard under its prefix, the API everywhere else.

Dash keeps a FastAPI application of its own. Inside the API's it would answer every unknown
path with its page, and as a mounted sub-application it would never start.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import dash
import httpx
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.bundles import BundleCache, send_bundle
from dashboard.lifespan import running
from dashboard.security import content_security_policy, with_headers
from dashboard.vendored import slimmer
from dashboard.viewer import COOKIE, viewer_of, viewing

_BUNDLES = "_dash-component-suites/"


class Mounted:
    def __init__(self, api: ASGIApp, pages: ASGIApp, prefix: str) -> None:
        self._api = api
        self._pages = pages
        self._prefix = prefix
        self._policy: str | None = None
        self._warming = asyncio.Lock()
        self._bundles = BundleCache(self._bundle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        path: str = scope["path"]
        if path in ("/", self._prefix.rstrip("/")) and scope["type"] == "http" and path != self._prefix:
            await self._redirect(scope, send)
        elif path.startswith(self._prefix):
            await self._dashboard(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _dashboard(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._policy is None:
            await self._warm_up()
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        viewing.set(viewer_of(_cookie(scope, COOKIE)))
        send = with_headers(send, self._policy)
        if scope["method"] in ("GET", "HEAD") and scope["path"].startswith(self._prefix + _BUNDLES):
            try:
                bundle = await self._bundles.get(scope["path"])
            except Exception:  # noqa: BLE001 - Dash answers an unknown bundle with an unhandled error
                bundle = None
            if bundle is None:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_bundle(bundle, scope, send)
            return
        await self._pages(scope, receive, send)

    async def _redirect(self, scope: Scope, send: Send) -> None:
        query = scope.get("query_string", b"")
        location = (scope.get("root_path", "") + self._prefix).encode() + (b"?" + query if query else b"")
        headers = [(b"location", location), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(running(self._api, scope.get("state")))
                await stack.enter_async_context(running(self._pages))
                await self._warm_up()
            except Exception as error:  # noqa: BLE001 - whatever it is, the server is told
                await stack.aclose()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            try:
                await stack.aclose()
            except Exception as error:  # noqa: BLE001 - as above
                await send({"type": "lifespan.shutdown.failed", "message": str(error)})
                return
        await send({"type": "lifespan.shutdown.complete"})

    async def _warm_up(self) -> None:
        """Make Dash set itself up, and learn from its page which inline scripts to allow.

        It does so on the first request for exactly its prefix; a deep link before that would miss its assets.
        """
        async with self._warming:
            if self._policy is None:
                status, _, body = await self._load(self._prefix)
                if status != 200:
                    raise RuntimeError(f"the dashboard answered its first request with {status}")
                self._policy = content_security_policy(body.decode())

    async def _bundle(self, path: str) -> tuple[int, str, bytes]:
        own = slimmer(path.removeprefix(self._prefix + _BUNDLES))
        return await self._load(path) if own is None else (200, "application/javascript", own)

    async def _load(self, path: str) -> tuple[int, str, bytes]:
        transport = httpx.ASGITransport(self._pages)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get(path, headers={"accept-encoding": "identity"})
            return answer.status_code, answer.headers.get("content-type", ""), answer.content


def _cookie(scope: Scope, name: str) -> str | None:
    said = Headers(scope=scope).get("cookie")
    return cookie_parser(said).get(name) if said else None


def mount(api: ASGIApp, dash_app: dash.Dash, prefix: str = "/dashboard/") -> Any:
    """The API's lifespan runs first and ends last. `/` leads to the dashboard."""
    return Mounted(api, dash_app.server, prefix)
