"""What the doors say of themselves in the OpenAPI description: they are routes of which FastAPI knows nothing."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

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
_TAKEN: Row = {
    "type": "object",
    "required": ["accepted", "rejected", "faults"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {"type": "integer", "minimum": 0},
        "faults": {"type": "array", "items": {"type": "object", "required": ["field", "message"]}},
    },
}
_PROBLEM: Row = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_NAMED: Row = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def _otlp(signal: str, records: str) -> Row:
    in_otlp = {
        "application/json": {"schema": {"$ref": "#/components/schemas/Status"}},
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
        "429": "more arrives than can be stored",
        "503": "the database is away",
    }
    answered = {
        "application/json": {"schema": {"type": "object", "properties": {"partialSuccess": {"type": "object"}}}},
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
            **{status: {"description": said, "content": in_otlp} for status, said in refusals.items()},
        },
    }


def _inbound(kind: str) -> Row:
    return {
        "tags": ["send"],
        "operationId": f"heard_from_{kind}",
        "summary": f"What people did in {kind}, with its signature",
        "requestBody": {"required": True, "content": {"application/json": _ANY}},
        "responses": {
            "200": {"description": "done, or nothing that is done here"},
            "401": {"description": "not theirs"},
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
                    "content": {"application/json": {"schema": _TAKEN}},
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
    "/sources/{name}": {
        "post": {
            "tags": ["send"],
            "operationId": "send_as_source",
            "summary": "What a system with an adapter sends by itself, with its own signature or secret",
            "parameters": [_NAMED],
            "requestBody": {"required": True, "content": {"*/*": {"schema": {}}}},
            "responses": {
                "2XX": {"description": "durable; status and body are what that system wants"},
                "401": {"description": "not authenticated", "content": _PROBLEM},
                "405": {"description": "that system sends by another method", "content": _PROBLEM},
            },
        }
    },
    "/inbound/slack": {"post": _inbound("slack")},
    "/inbound/pagerduty": {"post": _inbound("pagerduty")},
}
"""By path and method what stands in the description where the path is served."""
