"""Reading what a request brings within bounds, making it durable, and refusing it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collector import metrics
from collector.access.limits import Limited, Limits
from collector.ingest.kafka.outgoing import TooLarge
from collector.log import Batch, LogWriter, Unavailable

MAX_BODY = 64 * 2**20
MAX_COMPRESSED = 16 * 2**20
MAX_IN_FLIGHT = 128 * 2**20


class Refusal(Exception):
    """Why a request is not taken, with the status that says so; `retry_after` seconds when it may come again."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Beyond(Refusal):
    """Why a request of somebody who sends more than he may is not taken: it says nothing of how busy we are."""


@dataclass(frozen=True, slots=True)
class Most:
    """The most bytes of a body as it is, and of one that is compressed."""

    plain: int
    compressed: int


class Bodies:
    """Reads bodies; what all requests of one process hold at once is bounded together."""

    def __init__(self) -> None:
        self._in_flight = 0

    @asynccontextmanager
    async def read(self, request: Request, most: Most | None = None) -> AsyncIterator[bytes]:
        """The decompressed body, while its bytes count as in flight. Raises Refusal."""
        most = most or Most(MAX_BODY, MAX_COMPRESSED)
        held = 0
        try:
            chunks: list[bytes] = []
            encoding = request.headers.get("content-encoding", "identity").strip().lower()
            if encoding not in ("identity", "gzip", "deflate", ""):
                raise Refusal(415, f"the content encoding {encoding!r} is not taken; send gzip or none")
            limit = most.plain if encoding in ("identity", "") else most.compressed
            try:
                async for chunk in request.stream():
                    held += len(chunk)
                    self._in_flight += len(chunk)
                    if held > limit:
                        raise Refusal(413, f"the body is larger than {limit} bytes")
                    self._refuse_too_much()
                    chunks.append(chunk)
            except ClientDisconnect as error:
                raise Refusal(400, "the connection closed before the body ended") from error
            body = b"".join(chunks)
            if encoding in ("gzip", "deflate"):
                body = _inflate(body, encoding, most.plain)
                self._in_flight += len(body)
                held += len(body)
                self._refuse_too_much()
            yield body
        finally:
            self._in_flight -= held

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count so many bytes as in flight, which somebody else has read. Raises Refusal."""
        self._in_flight += size
        try:
            self._refuse_too_much()
            yield
        finally:
            self._in_flight -= size

    def _refuse_too_much(self) -> None:
        if self._in_flight > MAX_IN_FLIGHT:
            raise too_much()


def too_much() -> Refusal:
    """Why a request must wait until others are done."""
    return Refusal(429, "too much is being received at once", 1)


def refuse_beyond(limits: Limits | None, count: int, sources: Callable[[], Mapping[str, int]] = dict) -> None:
    """Count what a request brings, in all and of each source.

    Raises Refusal, and has counted nothing, where its key or one of the sources sends more than it may.
    """
    if limits is None:
        return
    try:
        limits.take(count, sources)
    except Limited as limited:
        raise Beyond(429, str(limited), limited.retry_after) from limited


async def store(writer: LogWriter, batch: Batch) -> None:
    """Return when the batch is durable. Raises Refusal when it is not."""
    if not (batch.events or batch.spans or batch.dead_letters or batch.requests):
        return
    await settle(lambda: writer.submit(batch))


async def settle(submit: Callable[[], Future[None]]) -> None:
    """Return when what is submitted is durable. Raises Refusal when it is not."""
    try:
        await asyncio.wrap_future(submit())
    except Unavailable as error:
        raise Refusal(429 if error.overloaded else 503, str(error), error.retry_after) from error
    except TooLarge as error:
        raise Refusal(413, str(error)) from error
    except Exception as error:
        raise Refusal(500, "this could not be stored; the server's log says why") from error


def count_throttled(door: str, refusal: Refusal) -> None:
    """Count what has to come again because we cannot take it now."""
    if refusal.retry_after and not isinstance(refusal, Beyond):
        metrics.THROTTLED.labels(door).inc()


def problem(door: str, refusal: Refusal) -> Response:
    """RFC 9457."""
    headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
    count_throttled(door, refusal)
    body = msgspec.json.encode({"type": "about:blank", "title": str(refusal), "status": refusal.status})
    return Response(body, refusal.status, headers, "application/problem+json")


def _inflate(body: bytes, encoding: str, most: int) -> bytes:
    """Decompress up to so many bytes: what a small body can blow up to is bounded before it is held."""
    parts: list[bytes] = []
    room = most
    try:
        while True:
            decompressor = zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)
            plain = decompressor.decompress(body, room + 1)
            room -= len(plain)
            if room < 0 or decompressor.unconsumed_tail:
                raise Refusal(413, f"the body is larger than {most} bytes when decompressed")
            parts.append(plain)
            if not decompressor.eof:
                raise Refusal(400, f"the {encoding} body is cut short")
            body = decompressor.unused_data
            # A gzip file may consist of several members (RFC 1952 2.2): what follows the first is content too.
            if not body:
                return b"".join(parts)
    except zlib.error as error:
        raise Refusal(400, f"the body is not {encoding}: {error}") from error
