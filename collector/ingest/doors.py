"""The HTTP doors: `POST /events`, `/v1/traces`, `/v1/logs`.

Every door does the same: bound what it reads, decode, hand the rows to the log, and answer 2xx only after the commit.
An overload is answered 429, an absent database 503, both with `Retry-After`; a body that is no such request, 400.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collector import metrics
from collector.ingest import cloudevents, otlp
from collector.log import Batch, DeadLetter, LetterReason, LogWriter, Unavailable
from slo_rules.matching import Matcher

MAX_BODY = 64 * 2**20
MAX_COMPRESSED = 16 * 2**20
MAX_IN_FLIGHT = 128 * 2**20

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_encode = msgspec.json.Encoder().encode


class _Refusal(Exception):
    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Doors:
    """The doors of one collector. `matcher` says which spans a definition refers to."""

    def __init__(self, writer: LogWriter, matcher: Callable[[], Matcher]) -> None:
        self._writer = writer
        self._matcher = matcher
        self._in_flight = 0

    # CloudEvents

    async def events(self, request: Request) -> Response:
        """CloudEvents over HTTP: structured, batch and binary."""
        try:
            async with self._body(request) as body:
                return await self._take_events(request, body)
        except _Refusal as refusal:
            return _problem("events", refusal)

    async def _take_events(self, request: Request, body: bytes) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        faults: list[cloudevents.EventFault] = []
        if media == "application/cloudevents-batch+json":
            try:
                members = cloudevents.split_batch(body)
            except cloudevents.Malformed as error:
                raise _Refusal(400, str(error)) from error
        elif media == "application/cloudevents+json":
            members = [body]
        elif media.startswith("application/cloudevents"):
            raise _Refusal(415, f"{media!r} is not taken; send application/cloudevents+json or -batch+json")
        elif any(name.startswith("ce-") for name in request.headers):
            member, faults = cloudevents.from_binary(request.headers, body)
            members = [member]
        else:
            raise _Refusal(
                415,
                "not a CloudEvent: send application/cloudevents+json, application/cloudevents-batch+json, "
                "or binary mode with ce- headers",
            )
        if faults:
            rows: list[bytes] = []
            refused = [cloudevents.Refused(faults, members[0], None, None, None)]
        else:
            rows, refused = cloudevents.decode(members, _now())
        metrics.REJECTED.labels("events").inc(len(refused))
        found = [fault for one in refused for fault in one.faults]
        if refused and not rows:
            return Response(
                _encode(
                    {
                        "type": "about:blank",
                        "title": "no event could be taken",
                        "status": 400,
                        "accepted": 0,
                        "rejected": len(refused),
                        "faults": [fault.as_json() for fault in found],
                    }
                ),
                400,
                media_type="application/problem+json",
            )
        letters = [_letter(one) for one in refused]
        await self._store(Batch(events=rows, dead_letters=letters))
        metrics.RECEIVED.labels("events").inc(len(rows))
        answer = {"accepted": len(rows), "rejected": len(refused), "faults": [fault.as_json() for fault in found]}
        return Response(_encode(answer), 200, media_type=_JSON)

    async def handshake(self, request: Request) -> Response:
        """The abuse protection of CloudEvents webhooks: consent for whoever asks, at any rate."""
        origin = request.headers.get("webhook-request-origin")
        headers = {"allow": "POST, OPTIONS"}
        if origin:
            headers["webhook-allowed-origin"] = origin
            headers["webhook-allowed-rate"] = "*"
        return Response(status_code=200, headers=headers)

    # OTLP

    async def traces(self, request: Request) -> Response:
        """OTLP/HTTP traces."""

        def decode(body: bytes, json: bool) -> otlp.Decoded:
            return otlp.decode_traces(otlp.parse_traces(body, json=json), self._matcher())

        answer = ExportTraceServiceResponse()

        def partial(decoded: otlp.Decoded) -> Message:
            answer.partial_success.rejected_spans = decoded.rejected
            answer.partial_success.error_message = decoded.message
            return answer

        return await self._otlp(request, "traces", decode, answer, partial)

    async def logs(self, request: Request) -> Response:
        """OTLP/HTTP logs: records with an event name are events."""

        def decode(body: bytes, json: bool) -> otlp.Decoded:
            return otlp.decode_logs(otlp.parse_logs(body, json=json), _now())

        answer = ExportLogsServiceResponse()

        def partial(decoded: otlp.Decoded) -> Message:
            answer.partial_success.rejected_log_records = decoded.rejected
            answer.partial_success.error_message = decoded.message
            return answer

        return await self._otlp(request, "logs", decode, answer, partial)

    async def _otlp(
        self,
        request: Request,
        door: str,
        decode: Callable[[bytes, bool], otlp.Decoded],
        answer: Message,
        partial: Callable[[otlp.Decoded], Message],
    ) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        json = media == _JSON
        try:
            if media not in (_PROTOBUF, _JSON):
                raise _Refusal(415, f"{media!r} is not taken; send {_PROTOBUF} or {_JSON}")
            async with self._body(request) as body:
                try:
                    decoded = decode(body, json)
                except otlp.Malformed as error:
                    raise _Refusal(400, str(error)) from error
                await self._store(Batch(events=decoded.events, spans=decoded.spans))
        except _Refusal as refusal:
            metrics.THROTTLED.labels(door).inc(1 if refusal.retry_after else 0)
            status = Status(code=_GRPC_CODES.get(refusal.status, 2), message=str(refusal))
            return _otlp_response(status, json, refusal.status, refusal.retry_after)
        metrics.RECEIVED.labels(door).inc(decoded.accepted)
        metrics.REJECTED.labels(door).inc(decoded.rejected)
        return _otlp_response(partial(decoded) if decoded.rejected else answer, json, 200, None)

    # Both

    async def _store(self, batch: Batch) -> None:
        if not (batch.events or batch.spans or batch.dead_letters):
            return
        try:
            await asyncio.wrap_future(self._writer.submit(batch))
        except Unavailable as error:
            raise _Refusal(429 if error.overloaded else 503, str(error), error.retry_after) from error
        except Exception as error:
            raise _Refusal(500, "this could not be stored; the server's log says why") from error

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """The decompressed body, while its bytes count as in flight."""
        held = 0
        try:
            chunks: list[bytes] = []
            encoding = request.headers.get("content-encoding", "identity").strip().lower()
            if encoding not in ("identity", "gzip", "deflate", ""):
                raise _Refusal(415, f"the content encoding {encoding!r} is not taken; send gzip or none")
            limit = MAX_BODY if encoding in ("identity", "") else MAX_COMPRESSED
            try:
                async for chunk in request.stream():
                    held += len(chunk)
                    self._in_flight += len(chunk)
                    if held > limit:
                        raise _Refusal(413, f"the body is larger than {limit} bytes")
                    if self._in_flight > MAX_IN_FLIGHT:
                        raise _Refusal(429, "too much is being received at once", 1)
                    chunks.append(chunk)
            except ClientDisconnect as error:
                raise _Refusal(400, "the connection closed before the body ended") from error
            body = b"".join(chunks)
            if encoding in ("gzip", "deflate"):
                body = _inflate(body, encoding)
                self._in_flight += len(body)
                held += len(body)
                if self._in_flight > MAX_IN_FLIGHT:
                    raise _Refusal(429, "too much is being received at once", 1)
            yield body
        finally:
            self._in_flight -= held


def _inflate(body: bytes, encoding: str) -> bytes:
    """Decompress up to MAX_BODY: what a small body can blow up to is bounded before it is held."""
    parts: list[bytes] = []
    room = MAX_BODY
    try:
        while True:
            decompressor = zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)
            plain = decompressor.decompress(body, room + 1)
            room -= len(plain)
            if room < 0 or decompressor.unconsumed_tail:
                raise _Refusal(413, f"the body is larger than {MAX_BODY} bytes when decompressed")
            parts.append(plain)
            if not decompressor.eof:
                raise _Refusal(400, f"the {encoding} body is cut short")
            body = decompressor.unused_data
            # A gzip file may consist of several members (RFC 1952 2.2): what follows the first is content too.
            if not body:
                return b"".join(parts)
    except zlib.error as error:
        raise _Refusal(400, f"the body is not {encoding}: {error}") from error


def _now() -> int:
    return time.time_ns() // 1000


def _letter(refused: cloudevents.Refused) -> DeadLetter:
    detail = "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in refused.faults)
    words = [word.replace("\x00", "")[:500] if word else None for word in (refused.source, refused.id, refused.type)]
    return DeadLetter(words[0] or "unknown", LetterReason.INVALID_EVENT, detail, refused.body, words[1], words[2])


def _problem(door: str, refusal: _Refusal) -> Response:
    """RFC 9457."""
    headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
    if refusal.retry_after:
        metrics.THROTTLED.labels(door).inc()
    body = _encode({"type": "about:blank", "title": str(refusal), "status": refusal.status})
    return Response(body, refusal.status, headers, "application/problem+json")


_GRPC_CODES = {400: 3, 413: 3, 415: 3, 429: 8, 503: 14}
"""google.rpc.Code of our refusals: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE."""


def _otlp_response(message: Message, json: bool, status: int, retry_after: int | None) -> Response:
    """In the encoding of the request, as OTLP/HTTP demands."""
    headers = {"retry-after": str(retry_after)} if retry_after else {}
    if json:
        return Response(_encode(MessageToDict(message)), status, headers, _JSON)
    return Response(message.SerializeToString(), status, headers, _PROTOBUF)
