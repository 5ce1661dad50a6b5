"""What the application says of itself holds for every route."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from fastapi import FastAPI

from alerting.acts_api import add_incident_acts
from collector.access.policy import need_of
from collector.api import build_api
from collector.described_answers import ANSWERS
from collector.ingest.doors import Doors
from collector.sources.door import SourceDoor
from tests.described import described


async def _ready() -> list[str]:
    return []


@pytest.fixture
def api() -> FastAPI:
    query = Mock()
    query.replica.return_value = None
    doors = Mock(spec=Doors)
    parts = {name: Mock() for name in ("letters", "handling", "views")}
    return build_api(query, Mock(), doors, _ready, contextlib.nullcontext, sources=Mock(spec=SourceDoor), **parts)  # type: ignore[arg-type]


def operations(api: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, methods in api.openapi()["paths"].items() for method, one in methods.items()]


def test_each_route_says_which_scope_it_needs_and_who_may_bring_it(api: FastAPI) -> None:
    for path, method, said in operations(api):
        needed = need_of(method.upper(), path)
        keys = [one["key"] for one in said["security"] if "key" in one]
        assert keys == ([[needed]] if needed else []), (method, path)
        assert any("session" in one for one in said["security"]) == (needed not in (None, "ingest")), (method, path)
    schemes = api.openapi()["components"]["securitySchemes"]
    assert {one["type"] for one in schemes.values()} == {"http", "apiKey"}


def test_each_refusal_that_is_described_is_a_problem_document(api: FastAPI) -> None:
    shared = api.openapi()["components"]["responses"]
    for path, method, said in operations(api):
        for status, answer in said["responses"].items():
            # What a source is told to come again by is whatever its system understands.
            own = path == "/readyz" or (path.startswith("/sources/") and status == "503")
            if status.startswith(("4", "5")) and not own:
                whole = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
                assert "application/problem+json" in whole["content"], (method, path, status)
        assert {"401", "403", "503"} <= said["responses"].keys() or need_of(method.upper(), path) is None
        assert "HTTPValidationError" not in str(said)


NO_JSON = {
    ("GET", "/metrics"),
    ("GET", "/api/v1/instances/export"),
    ("OPTIONS", "/events"),
    ("POST", "/inbound/slack"),
    ("POST", "/inbound/pagerduty"),
}


def test_each_answer_is_described_to_its_fields_and_nothing_is_described_that_nobody_answers(api: FastAPI) -> None:
    add_incident_acts(api, Mock(), Mock(), lambda: 0, lambda: None)
    answered = set()
    for path, method, said in operations(api):
        ((status, good), *_) = [pair for pair in said["responses"].items() if pair[0].startswith("2")]
        route = (method.upper(), path)
        if status == "204" or path.startswith("/sources/") or route in NO_JSON:
            continue
        schema = good["content"]["application/json"]["schema"]
        assert "properties" in shape_of(api, schema), route
        answered.add(route)
    assert ANSWERS.keys() <= answered


def test_no_shape_leaves_open_what_stands_in_it_but_what_came_from_elsewhere(api: FastAPI) -> None:
    open_, shapes = set(), api.openapi()["components"]["schemas"]
    for name, shape in shapes.items():
        assert shape.get("description") or "enum" in shape, name
        assert "  " not in shape.get("description", ""), name
        for field, one in shape.get("properties", {}).items():
            if one in ({}, {"type": "object"}, {"type": "array"}):
                open_.add(f"{name}.{field}")
    assert open_ == {
        # What events, spans and definitions bring, as it is.
        *(f"{name}.attributes" for name in ("Instance", "ListedInstance", "OneInstance", "Span")),
        *("Span.resource", "Span.events", "CountedEvent.data", "Silence.match"),
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": "1"}, 'total: "1" is not of type "integer"'),
        ({"total": -1}, "total: -1 is less than the minimum of 0"),
        ({"next_cursor": 7}, "next_cursor: 7 is not valid under any of the schemas listed in the 'anyOf' keyword"),
        ({"items": None}, 'items: null is not of type "array"'),
        ({"more": True}, ": Additional properties are not allowed ('more' was unexpected)"),
        ({"value": ...}, ': "value" is a required property'),
    ],
)
def test_a_field_of_another_type_or_one_too_many_or_too_few_is_found(
    api: FastAPI, wrong: dict[str, Any], said: str
) -> None:
    page = {"items": [], "next_cursor": None, "total": 0, "value": [], "total_exact": True, "looked_back_to": None}

    def fault_of(status: int, body: dict[str, Any], media: str = "application/json") -> str | None:
        sent = json.dumps({name: value for name, value in body.items() if value is not ...}).encode()
        return described(api).fault_of("GET", "/api/v1/instances", status, {"content-type": media}, sent)

    assert fault_of(200, page) is None
    assert fault_of(200, page | wrong) == said
    assert fault_of(200, page, "text/html") == "200 is text/html, described are application/json"
    assert fault_of(418, page) == "the status 418 is not described"
    assert fault_of(503, {}, "application/problem+json") == "503 without Retry-After"


def shape_of(api: FastAPI, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def test_doors_that_are_not_served_are_not_described() -> None:
    api = build_api(None, None, None, _ready, contextlib.nullcontext)
    assert set(api.openapi()["paths"]) == {"/healthz", "/readyz", "/metrics"}


async def test_what_fails_here_is_answered_by_a_problem_document_that_says_nothing_of_it(api: FastAPI) -> None:
    @api.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError("secret-of-the-house")

    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://milepost") as client:
        answer = await client.get("/fails")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["status"] == 500
    assert "secret" not in answer.text
