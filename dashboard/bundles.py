"""Serves the component bundles from memory, compressed once."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import brotli
from starlette.datastructures import Headers
from starlette.types import Scope, Send

Load = Callable[[str], Awaitable[tuple[int, str, bytes]]]

YEAR = b"public, max-age=31536000, immutable"
# plotly.min.js and the asynchronous chunks carry no fingerprint in their names
HOUR = b"public, max-age=3600"
# higher costs seconds of start-up for some percent
BROTLI_QUALITY = 6


@dataclass(frozen=True)
class Bundle:
    content_type: bytes
    etag: bytes
    plain: bytes
    br: bytes
    gz: bytes


class BundleCache:
    """`load(path)` answers status, content type and body; only 200 is kept."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bundles: dict[str, Bundle] = {}
        self._pending: dict[str, asyncio.Task[Bundle | None]] = {}

    async def get(self, path: str) -> Bundle | None:
        if path in self._bundles:
            return self._bundles[path]
        task = self._pending.get(path)
        if task is None:
            task = self._pending[path] = asyncio.create_task(self._make(path))
            task.add_done_callback(lambda _: self._pending.pop(path, None))
        # shielded: one client that goes away must not spoil it for the others that wait
        return await asyncio.shield(task)

    async def _make(self, path: str) -> Bundle | None:
        status, content_type, body = await self._load(path)
        if status != 200:
            return None
        br = await asyncio.to_thread(brotli.compress, body, quality=BROTLI_QUALITY)
        gz = await asyncio.to_thread(gzip.compress, body, 6)
        etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        bundle = Bundle(content_type.encode(), etag, body, br, gz)
        self._bundles[path] = bundle
        return bundle


async def send_bundle(bundle: Bundle, scope: Scope, send: Send) -> None:
    request = Headers(scope=scope)
    accepted = request.get("accept-encoding", "")
    name = scope["path"].rsplit("/", 1)[-1]
    headers = [
        (b"content-type", bundle.content_type),
        (b"etag", bundle.etag),
        (b"vary", b"accept-encoding"),
        (b"cache-control", YEAR if ".v" in name else HOUR),
    ]
    if request.get("if-none-match") == bundle.etag.decode():
        status, body = 304, b""
    else:
        status, body = 200, bundle.plain
        if "br" in accepted:
            body = bundle.br
            headers.append((b"content-encoding", b"br"))
        elif "gzip" in accepted:
            body = bundle.gz
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
