"""`POST /sources/{name}`: authenticate, make durable, acknowledge. What it means is found out afterwards (intake.py).

Whoever cannot show that he is the source is answered 401 and leaves nothing behind; what comes from the source is never
answered 4xx for what stands in it, and 503 for what is wrong here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collector import metrics
from collector.access.limits import Limits
from collector.ingest.bodies import Bodies, Most, Refusal, problem, refuse_beyond, store
from collector.log import Batch, LogWriter, SourceRequest
from collector.sources.exchange import Answer, Received, Unreadable
from collector.sources.receiving import Receiver, withheld

MAX_SOURCE_BODY = 8 * 2**20
MAX_SOURCE_COMPRESSED = 2 * 2**20
METHODS = ("POST", "PUT", "PATCH", "GET", "OPTIONS")
_SENDS = ("POST", "PUT", "PATCH")
_LARGE = 2**16
"""Bytes of a body from which on reading it would hold up other requests."""
_MOST = Most(MAX_SOURCE_BODY, MAX_SOURCE_COMPRESSED)


class SourceDoor:
    """The door of the sources that send in forms of their own. `on_stored` is called when something is durable."""

    def __init__(
        self,
        writer: LogWriter,
        receivers: Mapping[str, Receiver],
        bodies: Bodies | None = None,
        on_stored: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        self._writer = writer
        self._receivers = receivers
        self._bodies = bodies or Bodies()
        self._on_stored = on_stored
        self._limits = limits

    async def take(self, request: Request) -> Response:
        """One request of a source, or of somebody who says so."""
        receiver = self._receivers.get(request.path_params["name"])
        rest = None if receiver is None else receiver.split(request.path_params.get("rest", ""))
        if receiver is None or rest is None:
            if receiver is not None:
                metrics.SOURCE_REQUESTS.labels(receiver.source.name, "unauthenticated").inc()
            # Also for a wrong token: nobody finds out by asking which sources there are.
            status = 404 if receiver is None else receiver.adapter.elsewhere
            return problem("sources", Refusal(status, "there is no such source"))
        name = receiver.source.name
        try:
            async with self._bodies.read(request, _MOST) as body:
                received = _received(request, rest, body)
                outcome, answer = await self._take(receiver, received)
        except Refusal as refusal:
            outcome = "throttled" if refusal.retry_after else "refused"
            own = receiver.adapter.refused(refusal.status, str(refusal))
            answer = problem("sources", refusal) if own is None else _response(own)
        metrics.SOURCE_REQUESTS.labels(name, outcome).inc()
        return answer

    async def _take(self, receiver: Receiver, received: Received) -> tuple[str, Response]:
        asked = receiver.handshake(received)
        if asked is not None:
            return "handshake", _response(asked)
        asked = receiver.adapter.asked(received)
        if asked is None and received.method not in _SENDS:
            raise Refusal(405, f"{received.method} is not taken here; send POST")
        if why := receiver.refuse(received, time.time_ns() // 1000):
            own = receiver.adapter.refused(401, why)
            refusal = problem("sources", Refusal(401, f"not authenticated: {why}"))
            return "unauthenticated", refusal if own is None else _response(own)
        if asked is not None:
            return "handshake", _response(asked)
        name = receiver.source.name
        # Only what is its own counts: nobody else can use up what it may send.
        refuse_beyond(self._limits, 1, lambda: {name: 1})
        try:
            if len(received.body) > _LARGE:
                kept = await run_in_threadpool(receiver.keep, received)
            else:
                kept = receiver.keep(received)
        except Unreadable as error:
            digest = hashlib.sha256(received.body).hexdigest()
            await store(self._writer, Batch(dead_letters=[withheld(name, received, str(error), digest)]))
            return "withheld", _response(receiver.adapter.accepted())
        headers = receiver.kept_headers(received)
        row = SourceRequest(name, received.method, received.path, headers, kept)
        await store(self._writer, Batch(requests=[row]))
        self._on_stored()
        return "accepted", _response(receiver.adapter.accepted())


def _received(request: Request, rest: str, body: bytes) -> Received:
    headers = {name.lower(): value for name, value in request.headers.items()}
    # As it was called: what Starlette makes of an address is decoded, and some senders sign it.
    raw = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope.get("query_string", b"")
    called = raw.partition(b"?")[0] + (b"?" + query if query else b"")
    url = f"{request.url.scheme}://{headers.get('host', '')}{called.decode('latin-1')}"
    return Received(request.method, rest, headers, body, url, dict(request.query_params))


def _response(answer: Answer) -> Response:
    return Response(answer.body or None, answer.status, dict(answer.headers))
