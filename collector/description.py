"""What the application says of itself at `/openapi.json`: who may ask what, and how each route refuses.

Routes say what they take, and `collector/answers/` what they give. What holds for all of them is said here once, and
attached to those it concerns.
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
from collector.answers.values import ref_to
from collector.described_answers import answer_of, shapes
from collector.described_doors import DOORS, RETRIED, RETRY

Row = dict[str, Any]

_REFUSALS = {
    400: "it cannot be asked or said so; every fault is named",
    401: "nobody said who he is, or not so that it is known",
    403: "whoever asks may not do this, or it was sent for a page of another site",
    404: "there is none of that name or id that whoever asks may see",
    409: "how it stands is in the way",
    413: "the body is larger than what is taken",
    415: "the body is of another type or encoding than what is taken",
    422: "what is kept cannot answer this",
    429: "more arrives than can be stored, or than whoever asks may send",
    500: "this failed here; the log of the server says why",
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
_HEALTH = ("/healthz", "/readyz")
_AS_OF: Row = {
    "Milepost-As-Of": {
        "description": "where a replica answered, of when that is",
        "schema": {"type": "string", "format": "date-time"},
    }
}


def describe(api: FastAPI) -> None:
    """Let the application describe itself so; routes may still be added after this."""

    def openapi() -> Row:
        if api.openapi_schema is None:
            plain = get_openapi(title=api.title, version=api.version, routes=api.routes)
            api.openapi_schema = completed(plain, {one.path_format for one in api.routes if isinstance(one, Route)})
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def completed(description: Row, served: set[str]) -> Row:
    """The description with security, refusals and those doors of which the paths are `served`."""
    paths: Row = description.setdefault("paths", {})
    for path, methods in DOORS.items():
        if path in served:
            paths.setdefault(path, {}).update(deepcopy(methods))
    components = description.setdefault("components", {})
    components["schemas"] = deepcopy(shapes())
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
    _tell_of_good(path, method, responses)
    for status in _concerning(path, method, operation):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_name(status)}"})
    for said, answer in responses.items():
        if said[0] in "45" and "$ref" not in answer and "content" not in answer:
            responses[said] = _refusal(int(said), answer["description"])
    operation["responses"] = dict(sorted(responses.items()))


def _tell_of_good(path: str, method: str, responses: Row) -> None:
    """What is answered when all is well, in whatever status the route says so."""
    good = next(answer for status, answer in responses.items() if status[0] == "2")
    if path in _PLAIN:
        good["content"] = deepcopy(_PLAIN[path])
    elif (answer := answer_of(method, path)) is not None:
        good["description"] = answer.description
        good["content"] = {"application/json": {"schema": answer.schema}}
        if path == "/readyz":
            responses["503"] = {**deepcopy(good), "description": "It does not serve; `missing` says why."}
        elif path not in _HEALTH and method == "GET":
            good["headers"] = deepcopy(_AS_OF)


def _concerning(path: str, method: str, operation: Row) -> Iterator[int]:
    """The statuses of refusals that a route may answer with."""
    yield 500
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
    if method not in SAFE and path.startswith("/api/"):
        yield 409
    if asks or method not in SAFE:
        yield 429
    if asks or takes_body:
        yield 503


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _refusal(status: int, description: str) -> Row:
    said: Row = {
        "description": description,
        "content": {"application/problem+json": {"schema": ref_to("Problem")}},
    }
    if str(status) in RETRIED:
        said["headers"] = deepcopy(RETRY)
    if status == 401:
        said["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return said
