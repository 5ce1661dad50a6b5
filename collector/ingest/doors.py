"""The doors: `POST /events`, `/v1/traces`, `/v1/logs`, and what the last two have in common with gRPC (otlp_grpc.py).

Every door does the same: bound what it reads, decode, hand the rows to the log, and answer 2xx only after the commit.
A collector that was given brokers hands them the request instead, once it is decoded, and answers when they have it.
An overload is answered 429, an absent database or broker 503, both with `Retry-After`; a body that is no such request,
400.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import Request
from starlette.responses import Response

from collector import metrics
from collector.access.limits import Limits
from collector.access.principal import acting
from collector.copyformat import service_of_span, source_of_event
from collector.ingest import cloudevents, otlp
from collector.ingest.bodies import Bodies, Refusal, count_throttled, problem, refuse_beyond, settle, store
from collector.ingest.kafka import outgoing
from collector.ingest.setting_aside import letter_of
from collector.log import Batch, LogWriter
from slo_rules.matching import Matcher

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_encode = msgspec.json.Encoder().encode

_Records = Callable[[], list[outgoing.Outgoing]]
"""A request as Kafka is handed it."""


class Signal(StrEnum):
    """What OTLP brings that is taken."""

    TRACES = "traces"
    LOGS = "logs"


class Doors:
    """The doors of one collector. `matcher` says which spans a definition refers to.

    With `forwarding` nothing is written here: what came is handed on, and what does not fit goes with it, for whoever
    appends it to set aside.
    """

    def __init__(
        self,
        writer: LogWriter | None,
        matcher: Callable[[], Matcher],
        bodies: Bodies | None = None,
        forwarding: outgoing.Forwarding | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._writer = writer
        self._forwarding = forwarding
        self._matcher = matcher
        self._bodies = bodies or Bodies()
        self._limits = limits

    # CloudEvents

    async def events(self, request: Request) -> Response:
        """CloudEvents over HTTP: structured, batch and binary."""
        try:
            async with self._bodies.read(request) as body:
                return await self._take_events(request, body)
        except Refusal as refusal:
            return problem("events", refusal)

    async def _take_events(self, request: Request, body: bytes) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        faults: list[cloudevents.EventFault] = []
        if media == "application/cloudevents-batch+json":
            try:
                members = cloudevents.split_batch(body)
            except cloudevents.Malformed as error:
                raise Refusal(400, str(error)) from error
        elif media == "application/cloudevents+json":
            members = [body]
        elif media.startswith("application/cloudevents"):
            raise Refusal(415, f"{media!r} is not taken; send application/cloudevents+json or -batch+json")
        elif any(name.startswith("ce-") for name in request.headers):
            member, faults = cloudevents.from_binary(request.headers, body)
            members = [member]
        else:
            raise Refusal(
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
            refuse_beyond(self._limits, len(members))
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
        letters = [letter_of(one) for one in refused]
        await self._store(Batch(events=rows, dead_letters=letters), len(members), lambda: outgoing.of_events(members))
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
        return await self._otlp(request, Signal.TRACES)

    async def logs(self, request: Request) -> Response:
        """OTLP/HTTP logs: records with an event name are events."""
        return await self._otlp(request, Signal.LOGS)

    async def _otlp(self, request: Request, signal: Signal) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        json = media == _JSON
        try:
            if media not in (_PROTOBUF, _JSON):
                raise Refusal(415, f"{media!r} is not taken; send {_PROTOBUF} or {_JSON}")
            async with self._bodies.read(request) as body:
                answer = await self.export(signal, body, json=json)
        except Refusal as refusal:
            return _otlp_response(status_of(refusal, signal), json, refusal.status, refusal.retry_after)
        return _otlp_response(answer, json, 200, None)

    async def export(self, signal: Signal, body: bytes, *, json: bool = False) -> Message:
        """The answer that OTLP has for an export request, once what can be taken of it is durable. Raises Refusal."""
        answer: ExportTraceServiceResponse | ExportLogsServiceResponse
        try:
            if signal is Signal.TRACES:
                spans = otlp.parse_traces(body, json=json)
                decoded, answer = otlp.decode_traces(spans, self._matcher()), ExportTraceServiceResponse()
                await self._store(_batch(decoded), decoded.count, lambda: outgoing.of_traces(spans))
                if decoded.rejected:
                    answer.partial_success.rejected_spans = decoded.rejected
            else:
                records = otlp.parse_logs(body, json=json)
                decoded, answer = otlp.decode_logs(records, _now()), ExportLogsServiceResponse()
                await self._store(_batch(decoded), decoded.count, lambda: outgoing.of_logs(records))
                if decoded.rejected:
                    answer.partial_success.rejected_log_records = decoded.rejected
        except otlp.Malformed as error:
            raise Refusal(400, str(error)) from error
        if decoded.rejected:
            answer.partial_success.error_message = decoded.message
        metrics.RECEIVED.labels(signal).inc(decoded.accepted)
        metrics.REJECTED.labels(signal).inc(decoded.rejected)
        return answer

    # Both

    async def _store(self, batch: Batch, count: int, records: _Records) -> None:
        _refuse_others(batch)
        # Nobody uses up what a source may send that is not his.
        refuse_beyond(self._limits, count, lambda: _by_source(batch))
        if self._forwarding is None:
            assert self._writer is not None
            await store(self._writer, batch)
        elif batch.events or batch.spans or batch.dead_letters:
            await self._hand_on(self._forwarding, records())

    async def _hand_on(self, forwarding: outgoing.Forwarding, records: list[outgoing.Outgoing]) -> None:
        untaken = {one.format for one in records} - forwarding.formats
        if untaken:
            names = ", ".join(sorted(untaken))
            raise Refusal(404, f"this collector hands no {names} on: it was given no topic for them")
        await settle(lambda: forwarding.submit(records))


def _batch(decoded: otlp.Decoded) -> Batch:
    return Batch(events=decoded.events, spans=decoded.spans)


def _by_source(batch: Batch) -> dict[str, int]:
    # What spans yield besides is of the same sources.
    counts = Counter(map(service_of_span, batch.spans) if batch.spans else map(source_of_event, batch.events))
    return {source.decode("utf-8", "replace"): count for source, count in counts.items()}


def _now() -> int:
    return time.time_ns() // 1000


_GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}
"""google.rpc.Code of our refusals: INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND,
DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE."""


def status_of(refusal: Refusal, signal: Signal) -> Status:
    """A refusal as OTLP says it, which is counted where the request may come again."""
    count_throttled(signal, refusal)
    return Status(code=_GRPC_CODES.get(refusal.status, 2), message=str(refusal))


def _refuse_others(batch: Batch) -> None:
    """Refuse what is of another source than the key is for, whole: who may not say it leaves nothing behind."""
    who = acting.get()
    if who is None or who.sources is None:
        return
    claimed = {source_of_event(row) for row in batch.events} | {service_of_span(row) for row in batch.spans}
    named = {source.decode("utf-8", "replace") for source in claimed}
    named |= {letter.source for letter in batch.dead_letters if letter.source}
    if others := sorted(named - who.sources):
        raise Refusal(403, f"this key may not send as {', '.join(map(repr, others[:5]))[:500]}")


def _otlp_response(message: Message, json: bool, status: int, retry_after: int | None) -> Response:
    """In the encoding of the request, as OTLP/HTTP demands."""
    headers = {"retry-after": str(retry_after)} if retry_after else {}
    if json:
        return Response(_encode(MessageToDict(message)), status, headers, _JSON)
    return Response(message.SerializeToString(), status, headers, _PROTOBUF)
