"""What the doors say of themselves in the OpenAPI description: they are routes of which FastAPI knows nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from collector.answers.values import ref_to

Row = dict[str, Any]

RETRIED = ("429", "503")
"""What may be asked again, when `Retry-After` says."""
RETRY: Row = {"Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 1}}}
_ANY: Row = {"schema": {"type": "object"}}
_EVENT: Row = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 2048},
        "source": {"type": "string", "minLength": 1, "maxLength": 2048},
        "type": {"type": "string", "minLength": 1, "maxLength": 2048},
        "time": {"type": "string", "format": "date-time"},
        "data": {},
    },
}
_PROBLEM: Row = {"application/problem+json": {"schema": ref_to("Problem")}}
_NAMED: Row = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_REST: Row = _NAMED | {"name": "rest", "description": "the token of the source, or what that system calls besides"}
_WHATEVER: Row = {"*/*": {"schema": {}}}
_SENT = "What a system with an adapter sends by itself, with its own signature or secret"
_AS_SOURCE = {
    "post": _SENT,
    "put": _SENT,
    "patch": _SENT,
    "get": "How a system with an adapter asks whether it may send",
    "options": "How a system with an adapter asks whether it may send",
}


def _otlp(signal: str, records: str) -> Row:
    in_otlp = {
        "application/json": {"schema": ref_to("Status")},
        "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
        # Whoever is not let in is answered before anybody asks what he sends.
        **_PROBLEM,
    }
    refusals = {
        "400": "not such a request",
        "403": "this key is for another source",
        "404": "a collector that hands on to Kafka was given no topic for it",
        "413": "larger than what is taken",
        "415": "of another type or encoding than what is taken",
        "429": "more arrives than can be stored, or than whoever sends may",
        "503": "the database is away",
    }
    answered = {
        "application/json": {"schema": ref_to("Exported")},
        "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
    }
    return {
        "tags": ["send"],
        "operationId": f"send_{signal}",
        "summary": f"OTLP/HTTP {signal}",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object", "properties": {records: {"type": "array"}}}},
                "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": {
            "200": {"description": "durable, but for what is counted as rejected", "content": answered},
            **{
                status: {"description": said, "content": in_otlp, **({"headers": RETRY} if status in RETRIED else {})}
                for status, said in refusals.items()
            },
        },
    }


def _sources(named: str, parameters: tuple[Row, ...]) -> Row:
    """By method; most systems post, and some ask first whether they may."""
    answers: Row = {
        "2XX": {"description": "durable; status and body are what that system wants", "content": _WHATEVER},
        "401": {"description": "not authenticated", "content": _PROBLEM},
        "405": {"description": "that system sends by another method", "content": _PROBLEM},
        "503": {"description": "it is to come again, in whatever form that system understands", "content": _WHATEVER},
    }
    sends = {"requestBody": {"required": True, "content": _WHATEVER}}
    return {
        method: {
            "tags": ["send"],
            "operationId": f"{method}_as_{named}",
            "summary": summary,
            "parameters": list(parameters),
            **(sends if method not in ("get", "options") else {}),
            "responses": deepcopy(answers),
        }
        for method, summary in _AS_SOURCE.items()
    }


def _inbound(kind: str) -> Row:
    return {
        "tags": ["send"],
        "operationId": f"heard_from_{kind}",
        "summary": f"What people did in {kind}, with its signature",
        "requestBody": {"required": True, "content": {"application/json": _ANY}},
        "responses": {
            "200": {"description": "done, or nothing that is done here"},
            # They sign: there is no scheme of HTTP to ask them for.
            "401": {"description": "not theirs", "content": _PROBLEM},
        },
    }


DOORS: dict[str, Row] = {
    "/events": {
        "post": {
            "tags": ["send"],
            "operationId": "send_events",
            "summary": "CloudEvents 1.0: one, a batch, or in binary mode with any other type and `ce-` headers",
            "requestBody": {
                "required": True,
                "content": {
                    "application/cloudevents+json": {"schema": _EVENT},
                    "application/cloudevents-batch+json": {
                        "schema": {"type": "array", "items": _EVENT, "maxItems": 10_000}
                    },
                },
            },
            "responses": {
                "200": {
                    "description": "durable, but for what is named as rejected",
                    "content": {"application/json": {"schema": ref_to("Taken")}},
                },
                "400": {
                    "description": "not such a request, or none of its events could be taken; every fault is named",
                    "content": {"application/problem+json": {"schema": ref_to("NoneTaken")}},
                },
                "404": {
                    "description": "a collector that hands on to Kafka was given no topic for it",
                    "content": _PROBLEM,
                },
            },
        },
        "options": {
            "tags": ["send"],
            "operationId": "consent_to_events",
            "summary": "The abuse protection of CloudEvents webhooks",
            "responses": {"200": {"description": "whoever asks may send, at any rate"}},
        },
    },
    "/v1/traces": {"post": _otlp("traces", "resourceSpans")},
    "/v1/logs": {"post": _otlp("logs", "resourceLogs")},
    "/sources/{name}": _sources("source", (_NAMED,)),
    "/sources/{name}/{rest}": _sources("source_beneath", (_NAMED, _REST)),
    "/inbound/slack": {"post": _inbound("slack")},
    "/inbound/pagerduty": {"post": _inbound("pagerduty")},
}
"""By path and method what stands in the description where the path is served."""
