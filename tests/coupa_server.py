"""A stand-in for Coupa on 127.0.0.1: OAuth by client credentials, filters, order and pages of its REST API, and errors.

By the pages "OAuth 2.0", "API Operators", "Arguments" and "Exception Handling" of Coupa's technical documentation: at
most 50 objects at a time, `field[gt]` and `field[lt]` leave the value out, errors are `{"errors": …}`.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

CLIENT = "client-id:client-secret"
_PAGE = 50


@dataclass
class Coupa:
    """What it holds, by resource, and what it has been asked. `answers` are given before its own, one each."""

    url: str = ""
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    scopes: list[str] = field(default_factory=list)
    on_page: Callable[[int], None] = lambda _: None
    pages: int = 0

    def put(self, resource: str, id_: int, updated_at: datetime, **more: Any) -> None:
        """Make or change an object, as somebody does who works in Coupa."""
        held = self.objects.setdefault(resource, [])
        known = next((one for one in held if one["id"] == id_), None)
        changed = {"id": id_, "updated-at": updated_at.isoformat(timespec="seconds")} | more
        if known is None:
            held.append(changed)
        else:
            known.update(changed)

    def token(self, form: dict[str, str]) -> tuple[int, Any]:
        """The answer of the token endpoint."""
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if f"{form.get('client_id')}:{form.get('client_secret')}" != CLIENT:
            return 401, {"error": "invalid_client"}
        self.scopes.append(form.get("scope", ""))
        made = secrets.token_hex(8)
        self.tokens.add(made)
        return 200, {"access_token": made, "token_type": "bearer", "expires_in": 86_399, "scope": form.get("scope")}

    def list_(self, resource: str, query: dict[str, str]) -> tuple[int, Any]:
        """The objects that a query asks for."""
        if resource not in self.objects:
            return 404, {"errors": {"error": ["no such resource"]}}
        found = list(self.objects[resource])
        for name, value in query.items():
            if name.endswith("[gt]"):
                found = [one for one in found if _of(name[:-4], one[name[:-4]]) > _of(name[:-4], value)]
            elif name.endswith("[lt]"):
                found = [one for one in found if _of(name[:-4], one[name[:-4]]) < _of(name[:-4], value)]
            elif name not in ("order_by", "dir", "limit", "offset"):
                return 400, {"errors": {"error": [f"unknown argument {name}"]}}
        by = query.get("order_by", "id")
        found.sort(key=lambda one: _of(by, one[by]), reverse=query.get("dir", "asc") == "desc")
        offset = int(query.get("offset", "0"))
        found = found[offset : offset + min(int(query.get("limit", _PAGE)), _PAGE)]
        answer = json.loads(json.dumps(found))
        self.pages += 1
        self.on_page(self.pages)
        return 200, answer


def _of(name: str, value: Any) -> Any:
    return int(value) if name == "id" else datetime.fromisoformat(value).astimezone(UTC)


@contextmanager
def coupa() -> Iterator[Coupa]:
    """The stand-in while it serves."""
    held = Coupa()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            held.asked.append(("POST", self.path))
            if self.path != "/oauth2/token":
                return self._answer(404, {"errors": {"error": ["not found"]}})
            return self._answer(*held.token({name: values[0] for name, values in parse_qs(body.decode()).items()}))

        def do_GET(self) -> None:
            held.asked.append(("GET", self.path))
            if held.answers:
                status, headers, body = held.answers.pop(0)
                return self._answer(status, body, headers)
            scheme, _, token = self.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or token not in held.tokens:
                return self._answer(401, {"errors": {"error": ["API access denied"]}})
            if self.headers.get("accept") != "application/json":
                return self._answer(406, {"errors": {"error": ["XML is not what the test is about"]}})
            parts = urlsplit(self.path)
            resource = parts.path.removeprefix("/api/")
            return self._answer(*held.list_(resource, dict(parse_qsl(parts.query))))

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"content-type": "application/json"} | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
