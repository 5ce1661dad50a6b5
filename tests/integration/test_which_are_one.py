"""Which instances are one, which stand beside each other, and how that is undone: on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector.catalogue import Catalogue
from collector.query import Query
from collector.query.reader import Reader
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from tests.projecting import enroll, log_events, project, projecting, stored, wipe
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
  keys:
    account:
      path: data.account
      unique: true
      aliases: [{on: {exact: {type: merged}}, old: data.loser, new: data.winner}]
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


class TestAliases:
    MERGED = event(9, "merged", 5 * HOUR, loser="A", winner="B")

    def history(self) -> list[Event]:
        return [
            event(1, "opened", account="A"),
            event(2, "opened", HOUR, account="B"),
            event(3, "won", HOUR, order="1", account="A"),
            event(4, "won", HOUR, order="2", account="B"),
            self.MERGED,
            event(5, "synced", 6 * HOUR, account="B"),
            event(6, "merged", 7 * HOUR, loser="B", winner="C"),
        ]

    @pytest.mark.parametrize("turned", [False, True])
    async def test_merged_accounts_are_one_under_the_name_that_stays(
        self, database_url: str, conn: Connection, turned: bool
    ) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(conn, reversed(self.history()) if turned else self.history())
        project(conn, catalogue)
        by_old, by_new = [await ask(database_url, catalogue, key, "accounts") for key in ("account=A", "account=C")]
        assert by_old["id"] == by_new["id"]
        assert (by_old["title"], by_old["verdict"]) == ("C", "completed_late")
        assert {key["value"]: key["replaced_by"] for key in by_old["keys"]} == {"A": "C", "B": "C", "C": None}

    async def test_who_asks_for_one_name_means_the_others(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(conn, self.history())
        project(conn, catalogue)
        reader = Reader(database_url, most_connections=2)
        await reader.open()
        query = Query(reader, catalogue)
        for key in ("account=A", "account=B", "account=C", "C", "A"):
            page = await query.instances(key=key, workflow="orders")
            assert sorted(one["title"] for one in page["items"]) == ["1", "2"], key
        for key in ("account=D", "order=A", "account=", "=", "account=\x01"):
            assert (await query.instances(key=key, workflow="orders"))["items"] == []
        await reader.close()

    async def test_what_replaces_in_a_circle_has_one_name(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(conn, [*self.history(), event(7, "merged", 8 * HOUR, loser="C", winner="A")])
        project(conn, catalogue)
        one = await ask(database_url, catalogue, "account=B", "accounts")
        assert one["title"] == "A"
        assert one["verdict"] == "completed_late"

    async def test_half_an_alias_is_none(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(
            conn,
            [
                event(1, "opened", account="A"),
                event(2, "merged", loser="A"),
                event(3, "merged", loser="N/A", winner="A"),
                event(4, "merged", loser="A", winner="A", account="A"),
            ],
        )
        project(conn, catalogue)
        one = await ask(database_url, catalogue, "account=A", "accounts")
        assert [key["value"] for key in one["keys"]] == ["A"]


class TestHubs:
    """A key that would join more instances than it may joins none."""

    TEXT = DEFINITIONS.replace("shipment: data.shipment", "shipment: {path: data.shipment, joins_at_most: 5}")

    def history(self, orders: int) -> list[Event]:
        """Orders of their own that all carry one shipment; every other one has shipped."""
        placed = [event(n, "won", n * MINUTE, order=f"O{n}", shipment="S") for n in range(orders)]
        shipped = [event(100 + n, "shipped", HOUR + n, order=f"O{n}") for n in range(0, orders, 2)]
        return [*placed, *shipped, event(999, "won", order="other", shipment="T")]

    def test_what_it_joined_is_taken_apart(self, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": self.TEXT}))
        log_events(conn, self.history(20))
        project(conn, catalogue)
        found = {row["title"]: row for row in stored(conn)}
        assert set(found) == {f"O{n}" for n in range(20)} | {"other"}
        for n in range(20):
            reached = {"won", "shipped"} if n % 2 == 0 else {"won"}
            assert set(found[f"O{n}"]["progress"].milestones) == reached
            assert set(found[f"O{n}"]["progress"].keys) == {f"order=O{n}", "shipment=S"}
        assert conn.execute("SELECT count(*), count(DISTINCT instance_id) FROM instance_event").fetchone() == (31, 21)
        keys = conn.execute("SELECT joins, count(*) FROM instance_key WHERE value = 'S' GROUP BY joins").fetchall()
        assert keys == [(False, 20)]
        [letter] = conn.execute("SELECT reason, detail FROM dead_letter").fetchall()
        assert letter[0] == "key_joins_too_many"
        assert letter[1].startswith("shipment=S had joined 6 instances, and 5 are allowed")

    def test_what_it_may_join_stays_joined(self, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": self.TEXT}))
        log_events(conn, self.history(5))
        project(conn, catalogue)
        assert sorted(row["title"] for row in stored(conn)) == ["O0", "other"]
        assert conn.execute("SELECT count(*) FROM hub_key").fetchone() == (0,)

    def test_one_order_may_have_many_shipments_when_its_definition_says_so(self, conn: Connection) -> None:
        text = DEFINITIONS.replace("order: data.order\n", "order: {path: data.order, joins_at_most: 500}\n", 1)
        for allowed, expected in ((text, 1), (DEFINITIONS, 130)):
            wipe(conn)
            catalogue = enroll(conn, load({"all.yaml": allowed}))
            log_events(conn, [event(n, "won", n, order="O", shipment=f"S{n}") for n in range(130)])
            project(conn, catalogue)
            assert len(stored(conn)) == expected

    @pytest.mark.parametrize("batch", [1, 7, 1000])
    def test_it_comes_to_the_same_however_it_is_read(self, conn: Connection, batch: int) -> None:
        catalogue = enroll(conn, load({"all.yaml": self.TEXT}))
        history = self.history(20)
        for part in (history[:9], history[9:30], history[30:]):
            log_events(conn, part)
            project(conn, catalogue)
        wanted = fingerprints(conn)
        forget(conn, current_definitions=False)
        project(conn, catalogue, batch=batch)
        assert fingerprints(conn) == wanted
