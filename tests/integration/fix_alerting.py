"""A database with orders in it and receivers that answer as they are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import dict_row

from alerting import incidents, outbox
from alerting.outbox import Patience
from alerting.route import Route, parse_route
from collector.store import alerting_tables
from slo_rules.durations import SECOND
from slo_rules.instants import to_datetime
from tests.fix_postgres import Server

START = 1_790_000_000 * SECOND
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
PATIENCE = Patience(jitter=0)


@pytest.fixture(scope="session")
def alerting_url(postgres: Server) -> Iterator[str]:
    """A database for all tests of alerting."""
    url = postgres.clone()
    yield url
    postgres.drop(url)


def _tables() -> list[sa.Table]:
    found = (value for value in vars(alerting_tables).values() if isinstance(value, sa.Table))
    return list(found)


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def transition(self) -> str:
        if "type" in self.body:
            return str(self.body["type"]).rsplit(".", 1)[1]
        word = self.body["blocks"][0]["text"]["text"].split(":")[0]
        return {"Firing": "firing", "Resolved": "resolved"}.get(word, "updated")


@dataclass
class Receiver:
    """Answers what `answers` holds for the path, one after the other, then with success."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)

    def answer(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        self.answers.setdefault(path, []).append((status, headers, body))

    def at(self, path: str) -> list[Received]:
        return [each for each in self.received if each.path == path]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            found.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, raw))
            planned = found.answers.get(self.path)
            status, headers, body = planned.pop(0) if planned else (200, {}, b"ok")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class World:
    """Orders, routes and a clock; the duties run when told to."""

    url: str
    conn: psycopg.Connection[Any]
    client: httpx.Client
    receiver: Receiver
    routes: list[Route] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    now: int = START
    patience: Patience = PATIENCE
    secret: str = SECRET

    def route(
        self, *send_to: dict[str, Any], name: str = "default", match: dict[str, str] | None = None, **more: Any
    ) -> Route:
        spec = {"send_to": list(send_to), "match": match, **more}
        parsed = parse_route({"metadata": {"name": name}, "spec": spec}, self.env)
        assert isinstance(parsed, Route), parsed
        self.routes.append(parsed)
        return parsed

    def webhook(self, path: str = "/hook") -> dict[str, Any]:
        self.env["HOOK_SECRET"] = self.secret
        return {"webhook": {"url": f"{self.receiver.url}{path}", "secret": "${HOOK_SECRET}"}}

    def slack(self, path: str = "/slack") -> dict[str, Any]:
        self.env["SLACK"] = self.receiver.url
        return {"slack": {"webhook_url": "${SLACK}" + path}}

    def stuck(self, count: int, **columns: Any) -> list[UUID]:
        """As many orders that SAP has not accepted in time."""
        at = to_datetime(self.now)
        row: dict[str, Any] = {
            "workflow": "order-to-cash",
            "workflow_version": 1,
            "entity": "order",
            "domain": "orders",
            "title": "o",
            "words": "o",
            "verdict": "stuck",
            "reason": "overdue",
            "waiting_for": "order_accepted",
            "source_awaited": "sap",
            "owner": "erp-platform",
            "since": at,
            "started_at": at - timedelta(hours=4),
            "updated_at": at,
            "value_amount": 1000,
            "value_currency": "USD",
            "progress": b"",
        } | columns
        row["stuck_since"] = at if row["verdict"] == "stuck" else None
        names = ", ".join(["id", *row])
        holes = ", ".join(["%(id)s", *(f"%({name})s" for name in row)])
        ids = [uuid4() for _ in range(count)]
        with self.conn.cursor() as cursor:
            cursor.executemany(f"INSERT INTO instance ({names}) VALUES ({holes})", [{"id": id_, **row} for id_ in ids])
        self.conn.commit()
        return ids

    def become(self, verdict: str, reason: str = "all_in_time", ids: list[UUID] | None = None) -> None:
        only = "" if ids is None else "WHERE id = ANY(%(ids)s)"
        changed = {"verdict": verdict, "reason": reason, "ids": ids}
        self.conn.execute(
            f"UPDATE instance SET verdict = %(verdict)s, reason = %(reason)s, stuck_since = NULL {only}", changed
        )
        self.conn.commit()

    def look(self, passed: int = 0) -> incidents.Report:
        self.now += passed
        return incidents.run_once(self.conn, self.now, self.routes, public_url="http://127.0.0.1:8080")

    def send(self, passed: int = 0) -> outbox.Report:
        self.now += passed
        return outbox.run_once(self.conn, self.now, self.client, self.routes, self.env, patience=self.patience)

    def fire(self, count: int = 3) -> None:
        """An incident, old enough to be told."""
        self.stuck(count)
        self.look()
        self.look(15 * SECOND)

    def rows(self, table: str) -> list[dict[str, Any]]:
        order = "opened_at" if table == "incident" else "1, 2"
        with self.conn.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
        self.conn.commit()
        return found

    def outbox(self) -> list[tuple[str, str, str | None]]:
        return [(row["transition"], row["state"], row["outcome"]) for row in self.rows("outbox")]


@pytest.fixture
def world(alerting_url: str, receiver: Receiver) -> Iterator[World]:
    with psycopg.connect(alerting_url) as conn, httpx.Client(trust_env=False) as client:
        names = ", ".join(["instance", *(table.name for table in _tables())])
        conn.execute(f"TRUNCATE {names}")
        conn.commit()
        yield World(alerting_url, conn, client, receiver)
