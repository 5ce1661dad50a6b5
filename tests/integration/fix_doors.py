"""The whole application in this process over HTTP, on a database of the test's own; the projection runs when told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from alerting.acts_api import add_incident_acts
from collector.access.limits import Limits
from collector.access.raw_reads import RawReads
from collector.acts import Acts
from collector.api import build_api
from collector.catalogue import Catalogue, register
from collector.handling import Handling
from collector.ingest.doors import Doors
from collector.log import LogWriter
from collector.projector import Projector
from collector.query import Query
from collector.query.reader import Reader
from collector.query.replica_reader import ReplicaReader
from collector.saved_views import SavedViews
from collector.sources import intake
from collector.sources.dead_letters import DeadLetters
from collector.sources.door import SourceDoor
from collector.sources.receiving import Receiver, credentials_of, receivers_of
from collector.store.database import BY_INDEX, Connection, connect
from slo_rules.definitions import load
from slo_rules.instants import to_micros
from slo_rules.workflow import Definitions
from tests.described import held

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order-to-cash, domain: orders, owner: order-operations, title: Order to cash}
spec:
  entity: order
  keys:
    order: {path: [data.order_id, data.order.id]}
    sales_order: {path: data.sales_order}
    account: {path: data.account_id, joins: false}
  attributes: {region: data.region, tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: order_received, on: {exact: {source: crm, type: order.created}}, starts: true}
    - {name: order_accepted, on: {exact: {source: sap, type: sales_order.created}}, within: {warn: 3h, breach: 4h}, owner: erp-platform}
    - name: entitlement_active
      on: {span: {exact: {service: shop, name: activate}}}
      within: 2d
      completes: true
  fails_on: [{exact: {source: sap, type: order.rejected}}]
  cancels_on: [{exact: {source: crm, type: order.cancelled}}]
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: ticket, domain: support, owner: support}
spec:
  entity: ticket
  keys: {ticket: {path: data.ticket_id}}
  milestones:
    - {name: opened, on: {exact: {source: desk, type: ticket.opened}}, starts: true}
    - {name: solved, on: {exact: {source: desk, type: ticket.solved}}, within: 1d, completes: true}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: orders-accepted-in-time, owner: erp-platform}
spec: {workflow: order-to-cash, latency: {from: order_received, to: order_accepted, within: 4h}, target: 0.99, missing_data: bad, window: 30d}
"""

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


@dataclass
class Collector:
    """One collector: its doors and its API behind `http`, and what lies in its database."""

    url: str
    api: FastAPI
    http: httpx.AsyncClient
    writer: LogWriter
    catalogue: Catalogue
    conn: Connection
    projector: Projector
    projecting: Connection
    reader: Reader
    receivers: dict[str, Receiver]

    async def events(self, *events: dict[str, Any] | bytes, **headers: str) -> httpx.Response:
        """Send them as one batch."""
        members = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        return await self.http.post("/events", content=b"[" + b",".join(members) + b"]", headers=BATCH | headers)

    def project(self) -> int:
        """Apply everything received; the number of events."""
        assert self.projector.acquire(self.projecting)
        return self.projector.cycle(self.projecting).applied

    def map(self) -> int:
        """Map every request of sources that waits; how many."""
        total = 0
        while done := intake.run_once(self.conn, self.receivers):
            total += done
        return total

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What another session sees now."""
        with self.conn.transaction():
            return self.conn.execute(statement.encode()).fetchall()

    def ids(self) -> list[str]:
        """The ids of the logged events, in order."""
        return [row[0] for row in self.rows("SELECT id FROM event ORDER BY seq")]

    def letters(self) -> list[tuple[Any, ...]]:
        """Source, reason, detail, event id and body of the dead letters, in order."""
        return self.rows("SELECT source, reason, detail, event_id, body FROM dead_letter ORDER BY number")

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a good answer of the API."""
        answer = await self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@cache
def _loaded(definitions: str) -> Definitions:
    return load({"definitions.yaml": definitions})


def receivers_by(catalogue: Catalogue, environment: dict[str, str]) -> dict[str, Receiver]:
    """The sources that are received in forms of their own, with their secrets out of this environment."""
    adapted = {one.name: one.adapter for one in catalogue.sources.values() if one.adapter is not None}
    found = {name: credentials_of(adapter, environment) for name, adapter in adapted.items()}
    assert not any(faults for _, faults in found.values())
    return receivers_of(catalogue.sources.values(), {name: credentials for name, (credentials, _) in found.items()})


@contextlib.asynccontextmanager
async def running(
    url: str,
    definitions: str = DEFINITIONS,
    environment: dict[str, str] | None = None,
    replica_url: str | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Collector]:
    """A collector on this database; questions go to the replica if there is one."""
    with connect(url, "test") as conn, connect(url, "projector", options=BY_INDEX) as projecting:
        catalogue = register(conn, _loaded(definitions))
        writer = LogWriter(url)
        writer.start()
        reader = ReplicaReader(url, replica_url, look_seconds=0.05) if replica_url else Reader(url, most_connections=3)
        await reader.open()

        async def ready() -> list[str]:
            try:
                await reader.now()
            except psycopg.Error:
                return ["the database cannot be reached"]
            return []

        receivers = receivers_by(catalogue, environment or {})
        pool: ConnectionPool[Connection] = ConnectionPool(url, min_size=0, max_size=2, open=True)
        acts = Acts(reader, catalogue, writer)
        api = build_api(
            Query(reader, catalogue, RawReads(pool)),
            acts,
            Doors(writer, lambda: catalogue.matcher, limits=limits),
            ready,
            contextlib.nullcontext,
            sources=SourceDoor(writer, receivers, limits=limits),
            letters=DeadLetters(pool, catalogue, reader.note_write),
            handling=Handling(pool, catalogue, acts, reader.note_write),
            views=SavedViews(pool, catalogue, reader.note_write),
        )  # type: ignore[arg-type]
        add_incident_acts(api, pool, catalogue, lambda: to_micros(datetime.now(UTC)), reader.note_write)
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://milepost", event_hooks=held(api)) as http:
            yield Collector(
                url, api, http, writer, catalogue, conn, Projector(catalogue), projecting, reader, receivers
            )
        pool.close()
        await reader.close()
        writer.close()


@contextlib.asynccontextmanager
async def answering(url: str, catalogue: Catalogue) -> AsyncIterator[httpx.AsyncClient]:
    """The API over what was projected into this database; it takes no events and no acts."""
    reader = Reader(url, most_connections=2)
    await reader.open()

    async def ready() -> list[str]:
        return []

    doors = Doors(LogWriter(url), lambda: catalogue.matcher)
    api = build_api(Query(reader, catalogue), None, doors, ready, lambda _: None)  # type: ignore[arg-type,return-value]
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://milepost", event_hooks=held(api)) as client:
        yield client
    await reader.close()


@pytest.fixture
async def collector(database_url: str) -> AsyncIterator[Collector]:
    """A collector with an empty log."""
    async with running(database_url) as made:
        yield made


def cloud_event(id_: str = "1", **changes: Any) -> dict[str, Any]:
    """A good event, changed."""
    return {
        "specversion": "1.0", "id": id_, "source": "crm", "type": "order.created", "time": "2026-11-21T09:14:00Z",
        "data": {"order_id": f"O-{id_}"},
    } | changes  # fmt: skip
