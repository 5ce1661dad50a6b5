"""Which instances are one, which stand beside each other, and how that is undone: on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector.catalogue import Catalogue
from collector.query import Query
from collector.query.reader import Reader
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.event import Event
from tests.projecting import enroll, log_events, project, projecting
from tests.strategies import make_event

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys:
    order: data.order
    shipment: data.shipment
    account: {path: data.account, joins: false}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: shipped, on: {exact: {type: shipped}}, within: 4h}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: accounts, domain: customers, owner: crm}
spec:
  entity: account
  keys: {account: data.account}
  milestones:
    - {name: opened, on: {exact: {type: opened}}}
    - {name: synced, on: {exact: {type: synced}}, within: 4h}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: cases, domain: support, owner: support}
spec:
  entity: case
  keys: {case: data.case, order: {path: data.order, joins: false}, account: {path: data.account, joins: false}}
  milestones:
    - {name: raised, on: {exact: {type: raised}}}
    - {name: solved, on: {exact: {type: solved}}, within: 4h}
"""


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with projecting(database_url) as connection:
        yield connection


def event(number: int, type_: str, at: int = 0, **said: Any) -> Event:
    return make_event(type_, at, number, "crm", said)


async def ask(url: str, catalogue: Catalogue, key: str, workflow: str | None = None) -> dict[str, Any]:
    """The one instance with this key, with everything behind its verdict."""
    reader = Reader(url, most_connections=2)
    await reader.open()
    try:
        query = Query(reader, catalogue)
        page = await query.instances(key=key, workflow=workflow)
        [one] = page["items"]
        found = await query.instance(one["id"])
        assert found is not None
        return found
    finally:
        await reader.close()


class TestLinks:
    async def test_the_same_key_links_instances_of_two_workflows(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(
            conn,
            [
                event(1, "opened", account="A"),
                event(2, "won", HOUR, order="1", account="A"),
                event(3, "won", HOUR, order="2", account="A"),
                event(4, "raised", HOUR, case="C", order="1", account="A"),
                event(5, "raised", HOUR, case="D", order="9", account="B"),
            ],
        )
        project(conn, catalogue)

        def links(one: dict[str, Any]) -> set[tuple[str, str, tuple[str, ...]]]:
            return {(other["workflow"], other["title"], tuple(other["keys"])) for other in one["linked"]}

        order = await ask(database_url, catalogue, "order=1", "orders")
        assert links(order) == {("accounts", "A", ("account=A",)), ("cases", "C", ("order=1",))}
        account = await ask(database_url, catalogue, "account=A", "accounts")
        assert links(account) == {
            ("orders", "1", ("account=A",)),
            ("orders", "2", ("account=A",)),
            ("cases", "C", ("account=A",)),
        }
        case = await ask(database_url, catalogue, "case=C")
        assert links(case) == {("orders", "1", ("order=1",)), ("accounts", "A", ("account=A",))}
        assert links(await ask(database_url, catalogue, "case=D")) == set()
        ids = {other["id"] for other in account["linked"]}
        assert order["id"] in ids
        assert case["id"] in ids
