"""What every answer tells a browser, whatever it is: not to guess, to frame, to run, to keep it.

An answer that says otherwise by itself is left as it is: the pages have a policy of their own, bundles may be kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.security import content_security_policy

DATA_POLICY = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of what is no page: opened as one, it may do nothing."""
STRICT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class BrowserHeaders:
    """Adds to the answers of `app` what they do not say themselves.

    The policy of a page that has none (the reference of the API) is made of its inline scripts, for which it is held
    until it is whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started: Message | None = None
        body = b""

        async def adding(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start":
                head = added(message.get("headers", ()), secure=scope.get("scheme") == "https")
                message = {**message, "headers": head}
                if _is_page_without_policy(head):
                    started = message
                    return
                if not _says(head, b"content-security-policy"):
                    head.append((b"content-security-policy", DATA_POLICY))
            elif message["type"] == "http.response.body" and started is not None:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                policy = content_security_policy(body.decode("utf-8", "replace"))
                head = [*started["headers"], (b"content-security-policy", policy.encode())]
                await send({**started, "headers": head})
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, adding)


def added(headers: Iterable[tuple[bytes, bytes]], *, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that it lacks, but for the policy. Pure."""
    head = list(headers)
    head += [one for one in _ALWAYS if not _says(head, one[0])]
    if not _says(head, b"cache-control") and not _says(head, b"etag"):
        head.append((b"cache-control", b"no-store"))
    if secure and not _says(head, STRICT[0]):
        head.append(STRICT)
    return head


def _says(headers: list[tuple[bytes, bytes]], name: bytes) -> bool:
    return any(one.lower() == name for one, _ in headers)


def _is_page_without_policy(headers: list[tuple[bytes, bytes]]) -> bool:
    is_page = any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers)
    return is_page and not _says(headers, b"content-security-policy")
