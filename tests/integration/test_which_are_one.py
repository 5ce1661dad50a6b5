"""Which instances are one, which stand beside each other, and how that is undone: on a real database."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.copyformat import act_row
from collector.log import append
from collector.query import Query
from collector.query.reader import Reader
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection
from slo_rules.acts import ACT_SOURCE, join_document
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.matching import Matcher
from slo_rules.progress import Progress
from tests import strategies
from tests.examples import examples
from tests.integration.test_projection_laws import components
from tests.projecting import enroll, log_events, project, stored, wipe
from tests.strategies import START, events, make_event, of_one_time

pytestmark = pytest.mark.slow

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


WORLD = strategies.definitions()


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
        assert {other["title"]: other["relation"] for other in order["linked"]} == {"A": "whole", "C": "part"}
        assert {other["relation"] for other in account["linked"]} == {"part"}
        # What nobody is identified by finds neighbours, whichever workflow they are of.
        (beside,) = order["beside"]
        assert (beside["namespace"], beside["value"], beside["total"], beside["counted_all"]) == (
            "account",
            "A",
            2,
            True,
        )
        assert {one["title"] for one in beside["items"]} == {"2", "C"}
        assert account["beside"] == []
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


def encoded(progress: Progress) -> bytes:
    return msgspec.msgpack.encode(progress, order="sorted")


class TestRejectedJoins:
    """An event that joined wrongly counts in none; what it joined is as if it had never come."""

    WRONG = event(10, "shipped", 2 * HOUR, order="1", shipment="S-2")

    def history(self) -> list[Event]:
        return [
            event(1, "won", 0, order="1", account="A"),
            event(2, "won", MINUTE, order="2", shipment="S-2"),
            self.WRONG,
            event(3, "shipped", 3 * HOUR, shipment="S-2"),
        ]

    def word(self, number: int, key: str, meant: Event, *, accepts: bool = False) -> Event:
        said = {"source": meant.source, "event": meant.document["id"], "by": "ana", "reason": "a typing error"}
        document = join_document(f"act{number}", "orders", key, START + 4 * HOUR, said, accepts=accepts)
        at = START + 4 * HOUR + number
        return Event(ACT_SOURCE, document["type"], at, at, event_key(ACT_SOURCE, f"act{number}"), document)

    def act(self, conn: Connection, said: Event) -> None:
        row = act_row(
            said.occurred_at, said.document["id"].encode(), said.type.encode(), msgspec.json.encode(said.document)
        )
        with conn.transaction():
            append(conn, [row], [], [])

    def told(self, conn: Connection) -> dict[str, set[str]]:
        return {row["title"]: set(row["progress"].milestones) for row in stored(conn)}

    def test_both_halves_are_what_they_were(self, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        log_events(conn, self.history())
        project(conn, catalogue)
        assert self.told(conn) == {"1": {"won", "shipped"}}
        self.act(conn, self.word(1, "order=1", self.WRONG))
        project(conn, catalogue)
        assert self.told(conn) == {"1": {"won"}, "2": {"won", "shipped"}}
        [letter] = conn.execute("SELECT event_id, reason, detail FROM dead_letter").fetchall()
        assert letter == ("e10", "join_rejected", "ana says that it joins wrongly: a typing error")
        assert conn.execute("SELECT count(*) FROM instance_merge").fetchone() == (0,)
        log_events(conn, [self.WRONG, event(4, "shipped", 5 * HOUR, order="1")])
        project(conn, catalogue)
        assert self.told(conn) == {"1": {"won", "shipped"}, "2": {"won", "shipped"}}
        self.act(conn, self.word(2, "order=2", self.WRONG, accepts=True))
        project(conn, catalogue)
        assert self.told(conn) == {"1": {"won", "shipped"}}
        assert conn.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)
        before = fingerprints(conn)
        for batch in (1, 3, 1000):
            forget(conn, current_definitions=False)
            project(conn, catalogue, batch=batch)
            assert fingerprints(conn) == before, batch

    async def test_the_past_knows_them_as_one(self, database_url: str, conn: Connection) -> None:
        catalogue = enroll(conn, load({"all.yaml": DEFINITIONS}))
        moments = []
        for step in (
            self.history(),
            [self.word(1, "order=1", self.WRONG)],
            [self.word(2, "order=1", self.WRONG, accepts=True)],
        ):
            for one in step:
                self.act(conn, one) if one.source == ACT_SOURCE else log_events(conn, [one])
            project(conn, catalogue)
            row = conn.execute("SELECT clock_timestamp()").fetchone()
            conn.commit()
            assert row is not None
            moments.append(row[0].isoformat())
        project(conn, catalogue)
        reader = Reader(database_url, most_connections=2)
        await reader.open()
        query = Query(reader, catalogue)
        for moment, titles in zip(moments, (["1"], ["1", "2"], ["1"]), strict=True):
            for said in ({"key": "order=1"}, {"key": "order=2"}, {}):
                page = await query.instances(known_at=moment, workflow="orders", **said)
                shown = sorted(one["title"] for one in page["items"])
                wanted = titles if len(titles) == 1 or not said else [said["key"][-1]]
                assert shown == wanted, (moment, said)
                if not said:
                    assert page["total"] == len(titles)
        await reader.close()

    @settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
    @given(events(14, honest=True).map(of_one_time), st.data())
    def test_what_is_rejected_is_as_if_it_had_never_come(
        self, conn: Connection, history: list[Event], draw: st.DataObject
    ) -> None:
        wipe(conn)
        catalogue = enroll(conn, WORLD)
        matcher = Matcher(catalogue.current.values())
        log_events(conn, history)
        project(conn, catalogue)
        joining = {
            one.key: (one, match.joining) for one in history for _, match in matcher.matches(one) if match.joining
        }
        if not joining:
            return
        rejected = draw.draw(st.sets(st.sampled_from(sorted(joining)), min_size=1, max_size=3))
        for number, key in enumerate(sorted(rejected)):
            one, keys = joining[key]
            self.act(conn, self.word(number, keys[0], one))
        cut = draw.draw(st.integers(0, len(history)))
        log_events(conn, history[cut:])
        project(conn, catalogue, batch=draw.draw(st.sampled_from([1, 3, 1000])))
        wanted = components([one for one in history if one.key not in rejected])
        found = [row["progress"] for row in stored(conn)]
        assert sorted(map(encoded, found)) == sorted(map(encoded, wanted))
        before = fingerprints(conn)
        forget(conn, current_definitions=False)
        project(conn, catalogue, batch=draw.draw(st.sampled_from([1, 2, 1000])))
        after = fingerprints(conn)
        assert {t: d for t, d in after.items() if t != "source_state"} == {
            t: d for t, d in before.items() if t != "source_state"
        }
