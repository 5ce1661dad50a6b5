"""Answers held against what `/openapi.json` says of them, to the last field."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import jsonschema_rs
from fastapi import FastAPI
from starlette.routing import Route

Row = dict[str, Any]


def closed(description: Row) -> Row:
    """The same description, in which a shape has the fields that it names and no others.

    Clients shall pass over what they do not know; of what is answered here everything is to be described.
    """
    schemas = {
        name: shape | {"additionalProperties": False} if "properties" in shape else shape
        for name, shape in description["components"]["schemas"].items()
    }
    return description | {"components": description["components"] | {"schemas": schemas}}


class Described:
    """What one application says of itself."""

    def __init__(self, description: Row) -> None:
        self._description = closed(description)
        self._valid: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def fault_of(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
        """What an answer to a route has that is not said of it; None where it is as described, or no route of ours."""
        operation = self._description["paths"].get(path, {}).get(method.lower())
        if operation is None:
            return None
        said = operation["responses"].get(str(status)) or operation["responses"].get(f"{status // 100}XX")
        if said is None:
            return f"the status {status} is not described"
        if "$ref" in said:
            said = self._description["components"]["responses"][said["$ref"].rpartition("/")[2]]
        missing = [one for one, of in said.get("headers", {}).items() if of.get("required") and one not in headers]
        if missing:
            return f"{status} without {', '.join(missing)}"
        media = headers.get("content-type", "").partition(";")[0]
        content = said.get("content")
        if content is None or "*/*" in content:
            return None if content or not body else f"{status} has a body, which is not described"
        if media not in content:
            return f"{status} is {media}, described are {', '.join(content)}"
        return self._fault_in(content[media]["schema"], body) if media.endswith("json") else None

    def _fault_in(self, schema: Row, body: bytes) -> str | None:
        key = json.dumps(schema)
        if key not in self._valid:
            whole = schema | {"components": self._description["components"]}
            self._valid[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        error = next(iter(self._valid[key].iter_errors(json.loads(body))), None)
        return None if error is None else f"{'/'.join(map(str, error.instance_path))}: {error.message[:300]}"


_KNOWN: dict[frozenset[str], Described] = {}


def described(api: FastAPI) -> Described:
    """What an application says; those with the same routes say the same."""
    routes = frozenset(f"{route.path} {route.methods}" for route in api.routes if isinstance(route, Route))
    if routes not in _KNOWN:
        _KNOWN[routes] = Described(api.openapi())
    return _KNOWN[routes]


def held(api: FastAPI) -> Mapping[str, list[Callable[[httpx.Response], Awaitable[None]]]]:
    """The hooks of a client that holds every answer against the description."""

    async def hold(answer: httpx.Response) -> None:
        path = path_of(api, answer.request.method, answer.request.url.path)
        if path is None or answer.is_redirect:
            return
        body = await answer.aread()
        fault = described(api).fault_of(answer.request.method, path, answer.status_code, answer.headers, body)
        assert fault is None, f"{answer.request.method} {path}: {fault}"

    return {"response": [hold]}


def path_of(api: FastAPI, method: str, path: str) -> str | None:
    """The path of the route that answers, as the description spells it."""
    for route in api.routes:
        if isinstance(route, Route) and route.path_regex.match(path) and method in (route.methods or ()):
            return route.path_format
    return None
