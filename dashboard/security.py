"""The headers every dashboard answer carries."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.types import Message, Send

_INLINE = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)

FIXED = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def content_security_policy(html: str) -> str:
    """A policy under which exactly the inline scripts of this page may run.

    Dash's own list of hashes misses the scripts of index hooks and of the router, so the page
    as it is really sent is what counts. Styles stay open: Mantine, the grid and plotly write them.
    """
    hashes = []
    for attributes, body in _INLINE.findall(html):
        if "src=" in attributes or "application/json" in attributes:
            continue
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self'", *dict.fromkeys(hashes)]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def with_headers(send: Send, policy: str | None) -> Send:
    extra = list(FIXED)
    if policy:
        extra.append((b"content-security-policy", policy.encode()))

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return guarded
