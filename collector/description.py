"""What the application says of itself at `/openapi.json`: who may ask what, and how each route refuses.

Routes say what they take and give; what holds for all of them is said here once, and attached to those it concerns.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

from collector.access.guard import COOKIE
from collector.access.policy import SAFE, need_of
from collector.access.principal import INGEST
from collector.described_doors import DOORS

Row = dict[str, Any]

_PROBLEM = "#/components/schemas/Problem"
_RETRIED = (429, 503)
"""What may be asked again, when `Retry-After` says."""
_REFUSALS = {
    400: "it cannot be asked or said so; every fault is named",
    401: "nobody said who he is, or not so that it is known",
    403: "whoever asks may not do this, or it was sent for a page of another site",
    404: "there is none of that name or id that whoever asks may see",
    409: "how it stands is in the way",
    413: "the body is larger than what is taken",
    415: "the body is of another type or encoding than what is taken",
    422: "what is kept cannot answer this",
    429: "more arrives than can be stored",
    503: "the database is away, or not everything is applied yet",
}
_METHODS = ("get", "put", "post", "delete", "options", "patch")
_PLAIN: dict[str, Row] = {
    "/metrics": {"text/plain": {"schema": {"type": "string"}}},
    "/api/v1/instances/export": {
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    },
}
"""What is answered where it is no JSON."""


def describe(api: FastAPI) -> None:
    """Let the application describe itself so; routes may still be added after this."""

    def openapi() -> Row:
        if api.openapi_schema is None:
            plain = get_openapi(title=api.title, version=api.version, routes=api.routes)
            api.openapi_schema = completed(plain, {one.path for one in api.routes if isinstance(one, Route)})
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def completed(description: Row, served: set[str]) -> Row:
    """The description with security, refusals and those doors of which the paths are `served`."""
    paths: Row = description.setdefault("paths", {})
    for path, methods in DOORS.items():
        if path in served:
            paths.setdefault(path, {}).update(deepcopy(methods))
    components = description.setdefault("components", {})
    components["schemas"] = {"Problem": _problem(), "Status": _status()}
    components["responses"] = {_name(status): _refusal(status, said) for status, said in _REFUSALS.items()}
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key; the scopes it needs are named"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "of a person who logged in; over TLS the cookie has the prefix `__Host-`",
        },
    }
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method in _METHODS:
                _complete(path, method.upper(), operation)
    return description


def _complete(path: str, method: str, operation: Row) -> None:
    needed = need_of(method, path)
    operation["security"] = [] if needed is None else [{"key": [needed]}]
    if needed not in (None, INGEST):
        operation["security"].append({"session": [needed]})
    responses: Row = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422")):
        # FastAPI says so of every parameter; here such faults are 400.
        del responses["422"]
    if path in _PLAIN:
        responses["200"]["content"] = _PLAIN[path]
    if path in ("/healthz", "/readyz"):
        return
    for status in _concerning(path, method, operation):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_name(status)}"})
    for said, answer in responses.items():
        if said[0] in "45" and "$ref" not in answer and "content" not in answer:
            responses[said] = _refusal(int(said), answer["description"])
    operation["responses"] = dict(sorted(responses.items()))


def _concerning(path: str, method: str, operation: Row) -> Iterator[int]:
    """The statuses of refusals that a route may answer with."""
    takes_body = "requestBody" in operation
    asks = need_of(method, path) is not None
    if takes_body or operation.get("parameters"):
        yield 400
    if asks:
        yield 401
    if asks or method not in SAFE:
        yield 403
    if "{" in path:
        yield 404
    if takes_body:
        yield from (413, 415)
    if method not in SAFE:
        yield 429
        if path.startswith("/api/"):
            yield 409
    if asks or takes_body:
        yield 503


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _refusal(status: int, description: str) -> Row:
    said: Row = {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": _PROBLEM}}},
    }
    if status in _RETRIED:
        said["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
    if status == 401:
        said["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return said


def _problem() -> Row:
    fault = {
        "type": "object",
        "required": ["field", "message"],
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "of the event in its batch"},
            "field": {"type": "string"},
            "message": {"type": "string"},
        },
    }
    return {
        "description": "why a request is refused (RFC 9457)",
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "faults": {"type": "array", "items": fault, "description": "all of them, each by its field"},
        },
    }


def _status() -> Row:
    return {
        "description": "why a request is refused, as OTLP says it: a google.rpc.Status",
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    }
