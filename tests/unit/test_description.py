"""What the application says of itself holds for every route."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from fastapi import FastAPI

from collector.access.policy import need_of
from collector.api import build_api
from collector.ingest.doors import Doors


async def _ready() -> list[str]:
    return []


@pytest.fixture
def api() -> FastAPI:
    query = Mock()
    query.replica.return_value = None
    doors = Mock(spec=Doors)
    parts = {name: Mock() for name in ("letters", "handling", "views")}
    return build_api(query, Mock(), doors, _ready, contextlib.nullcontext, **parts)  # type: ignore[arg-type]


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
            if status.startswith(("4", "5")) and path != "/readyz":
                whole = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
                assert "application/problem+json" in whole["content"], (method, path, status)
        assert {"401", "403", "503"} <= said["responses"].keys() or need_of(method.upper(), path) is None
        assert "HTTPValidationError" not in str(said)


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
