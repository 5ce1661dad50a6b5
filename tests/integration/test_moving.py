"""Instances are moved to another version of their workflow: explicitly, one by one, and on record."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from collector.catalogue import Catalogue, load_catalogue
from collector.query import Query
from collector.query.reader import Reader
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection
from milepost.cli import app
from slo_rules.acts import ACT_SOURCE, MOVED, Move, join_document, move_document
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.instants import rfc3339, to_micros
from slo_rules.matching import Matcher
from slo_rules.workflow import Definitions
from tests import strategies
from tests.counting import stored_buckets
from tests.examples import examples
from tests.integration.fix_doors import DEFINITIONS as DOORS
from tests.integration.fix_doors import Collector, cloud_event, running
from tests.projecting import enroll, log_events, project, projecting, stored, wipe
from tests.strategies import START, events, make_event, of_one_time

pytestmark = pytest.mark.slow

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, shipment: data.shipment}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: shipped, on: {exact: {type: shipped}}, within: 4h}
    - {name: paid, on: {exact: {type: paid}}, within: 4h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fast}
spec: {workflow: orders, latency: {from: won, to: shipped, within: 1h}, target: 0.9, missing_data: bad}
"""
SLOWER = TEXT.replace("{exact: {type: shipped}}, within: 4h", "{exact: {type: shipped}}, within: 400d")


def event(number: int, type_: str, at: int = 0, **data: Any) -> Event:
    return make_event(type_, at, number, "crm", {"tax_code": "V1", **data})


def history() -> list[Event]:
    return [
        event(1, "won", 0, order="1"),
        event(2, "won", MINUTE, order="2"),
        event(3, "shipped", HOUR, order="2"),
        event(4, "won", 2 * MINUTE, order="3"),
    ]


def moved_to(version: int, key: str, number: int = 1, by: str = "ana") -> Event:
    at = START + 9 * HOUR + number
    document = move_document(f"move{number}", "orders", key, at, Move(version, by, "the promise has changed"))
    return Event(ACT_SOURCE, MOVED, at, at, event_key(ACT_SOURCE, f"move{number}"), document)


def definitions(text: str) -> Definitions:
    return load({"orders.yaml": text})


def standing(conn: Connection) -> dict[str, tuple[int, str, str | None]]:
    rows = conn.execute("SELECT title, workflow_version, verdict, waiting_for FROM instance").fetchall()
    conn.commit()
    return {title: (version, verdict, waits) for title, version, verdict, waits in rows}


def letters(conn: Connection) -> list[str]:
    rows = conn.execute("SELECT detail FROM dead_letter WHERE reason = 'not_moved' ORDER BY seq").fetchall()
    conn.commit()
    return [detail for (detail,) in rows]


def rebuilt(conn: Connection, catalogue: Catalogue) -> Iterator[dict[str, str]]:
    for batch in (1, 3, 1000):
        forget(conn, current_definitions=False)
        project(conn, catalogue, batch=batch)
        yield fingerprints(conn)


def with_two_versions(conn: Connection, after: str = SLOWER) -> Catalogue:
    """Everything of the history stands under version 1, and version 2 is in force."""
    catalogue = enroll(conn, definitions(TEXT))
    log_events(conn, history())
    project(conn, catalogue)
    return enroll(conn, definitions(after))


def test_who_is_moved_stands_as_the_version_says_and_the_others_as_before(conn: Connection) -> None:
    catalogue = with_two_versions(conn)
    assert standing(conn) == {
        "1": (1, "stuck", "shipped"),
        "2": (1, "stuck", "paid"),
        "3": (1, "stuck", "shipped"),
    }
    ids = {row["title"]: row["id"] for row in stored(conn)}
    log_events(conn, [moved_to(2, "order=1")])
    project(conn, catalogue)
    assert standing(conn) == {
        "1": (2, "on_track", "shipped"),
        "2": (1, "stuck", "paid"),
        "3": (1, "stuck", "shipped"),
    }
    assert {row["title"]: row["id"] for row in stored(conn)} == ids
    assert letters(conn) == []
    log_events(conn, [event(5, "shipped", 30 * HOUR, order="1"), event(4, "won", 2 * MINUTE, order="3")])
    project(conn, catalogue)
    assert standing(conn)["1"] == (2, "stuck", "paid")
    before = fingerprints(conn)
    for after in rebuilt(conn, catalogue):
        assert after == before


def test_what_it_counted_before_is_taken_back(conn: Connection) -> None:
    catalogue = with_two_versions(
        conn, TEXT.replace("within: 4h}\n    - {name: paid", "within: 30m}\n    - {name: paid")
    )
    log_events(conn, [moved_to(2, f"order={n}", n) for n in (1, 2, 3)])
    project(conn, catalogue)
    moved = stored_buckets(conn)
    forget(conn, current_definitions=True)
    project(conn, load_catalogue(conn))
    assert stored_buckets(conn) == moved
    assert {version for version, *_ in standing(conn).values()} == {2}
    assert letters(conn) == ["The instance is not moved: it counts under version 2 already"] * 3


@pytest.mark.parametrize(
    ("after", "version", "said"),
    [
        (SLOWER, 1, "version 1 of orders was not in force then"),
        (SLOWER, 7, "version 7 of orders was not in force then"),
        (
            SLOWER.replace("order: data.order", "order: {path: data.order, case: upper}"),
            2,
            "version 2 of orders tells by other keys than its own which events are one",
        ),
        (SLOWER.replace("type: won", "type: sold"), 2, "under version 2 of orders its events say nothing"),
    ],
)
def test_who_cannot_be_moved_stays_and_people_are_told(conn: Connection, after: str, version: int, said: str) -> None:
    catalogue = with_two_versions(conn, after)
    log_events(conn, [moved_to(version, "order=1")])
    project(conn, catalogue)
    assert letters(conn) == [f"The instance is not moved: {said}"]
    assert standing(conn)["1"] == (1, "stuck", "shipped")
    before = fingerprints(conn)
    for found in rebuilt(conn, catalogue):
        assert found == before


def test_who_would_fall_apart_stays(conn: Connection) -> None:
    catalogue = enroll(conn, definitions(TEXT + ""))
    log_events(
        conn,
        [
            event(1, "won", 0, order="1"),
            event(2, "paid", HOUR, shipment="S"),
            event(3, "shipped", HOUR, order="1", shipment="S"),
        ],
    )
    project(conn, catalogue)
    catalogue = enroll(conn, definitions(TEXT.replace("{exact: {type: shipped}}", "{exact: {type: sent}}")))
    log_events(conn, [moved_to(2, "order=1")])
    project(conn, catalogue)
    assert letters(conn) == [
        "The instance is not moved: under version 2 of orders its events would make several instances"
    ]


def test_who_is_taken_apart_after_a_move_keeps_what_only_the_former_version_asked_for(conn: Connection) -> None:
    catalogue = enroll(conn, definitions(TEXT))
    wrong = event(4, "shipped", HOUR, order="1", shipment="S")
    log_events(
        conn,
        [event(1, "won", 0, order="1"), event(2, "won", 0, shipment="S"), event(3, "paid", HOUR, order="1"), wrong],
    )
    project(conn, catalogue)
    catalogue = enroll(
        conn, definitions(TEXT.replace("\n    - {name: paid, on: {exact: {type: paid}}, within: 4h}", ""))
    )
    said = {"source": wrong.source, "event": "e4", "by": "ana", "reason": "a typing error"}
    document = join_document("no", "orders", "order=1", START, said, accepts=False)
    no = Event(ACT_SOURCE, document["type"], START, START, event_key(ACT_SOURCE, "no"), document)
    log_events(conn, [moved_to(2, "order=1"), no])
    project(conn, catalogue)
    rows = conn.execute(
        "SELECT i.title, e.id FROM instance_event l JOIN instance i ON i.id = l.instance_id JOIN event e USING (seq) "
        "WHERE e.source <> 'milepost' ORDER BY 1, 2"
    ).fetchall()
    conn.commit()
    assert rows == [("1", "e1"), ("1", "e3"), ("S", "e2")]
    before = fingerprints(conn)
    for after in rebuilt(conn, catalogue):
        assert after == before


async def test_the_past_knows_the_version_of_then(database_url: str, conn: Connection) -> None:
    catalogue = with_two_versions(conn)
    (id_,) = [str(row["id"]) for row in stored(conn) if row["title"] == "1"]
    moments = [_now(conn)]
    log_events(conn, [moved_to(2, "order=1")])
    project(conn, catalogue)
    moments.append(_now(conn))
    log_events(conn, [event(5, "shipped", 30 * HOUR, order="1")])
    project(conn, catalogue)
    moments.append(_now(conn))
    project(conn, catalogue)
    reader = Reader(database_url, most_connections=2)
    await reader.open()
    query = Query(reader, catalogue)
    known = [await query.instance(id_, None, moment) for moment in moments]
    assert [(one["workflow_version"], one["verdict"], one["waiting_for"]) for one in known if one] == [
        (1, "stuck", "shipped"),
        (2, "on_track", "shipped"),
        (2, "stuck", "paid"),
    ]
    for moment, verdicts in zip(moments, (["stuck"], ["on_track"], ["stuck"]), strict=True):
        page = await query.instances(known_at=moment, key="order=1")
        assert [one["verdict"] for one in page["items"]] == verdicts
    now = await query.instance(id_)
    assert now is not None
    assert [one["type"] for one in now["events"] if one["source"] == ACT_SOURCE] == [MOVED]
    then = await query.instance(id_, rfc3339(START + 20 * HOUR), None)
    assert then is not None
    assert (then["workflow_version"], then["verdict"]) == (2, "on_track")
    await reader.close()


def _now(conn: Connection) -> str:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    conn.commit()
    assert row is not None
    return rfc3339(to_micros(row[0]))


WORLD = strategies.definitions()
OTHERWISE = load({"orders.yaml": strategies.DEFINITIONS.replace("{warn: 3h, breach: 4h}", "{warn: 1h, breach: 20h}")})


@settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
@given(events(14, honest=True).map(of_one_time), st.data())
def test_who_is_moved_is_as_if_it_had_started_under_the_version(
    conn: Connection, history: list[Event], draw: st.DataObject
) -> None:
    wipe(conn)
    matcher = Matcher(WORLD.workflows.values())
    cut = draw.draw(st.integers(0, len(history)))
    catalogue = enroll(conn, WORLD)
    log_events(conn, history[:cut])
    project(conn, catalogue)
    catalogue = enroll(conn, OTHERWISE)
    keys = {match.joining[0] for one in history[:cut] for _, match in matcher.matches(one) if match.joining}
    early = draw.draw(st.booleans())
    moves = [moved_to(2, key, number) for number, key in enumerate(sorted(keys))]
    log_events(conn, [*moves, *history[cut:]] if early else [*history[cut:], *moves])
    project(conn, catalogue, batch=draw.draw(st.sampled_from([1, 3, 1000])))
    rows = conn.execute("SELECT id, workflow_version, progress, deadline_at, waiting_for FROM instance").fetchall()
    conn.commit()
    assert {row[1] for row in rows} <= {2}
    derived = fingerprints(conn)
    forget(conn, current_definitions=False)
    project(conn, catalogue, batch=draw.draw(st.sampled_from([1, 3, 1000])))
    again = fingerprints(conn)
    assert {t: d for t, d in again.items() if t != "source_state"} == {
        t: d for t, d in derived.items() if t != "source_state"
    }
    counted = stored_buckets(conn)
    forget(conn, current_definitions=True)
    project(conn, load_catalogue(conn))
    assert stored_buckets(conn) == counted


class TestAtATerminal:
    @pytest.fixture(autouse=True)
    def nobody_projects(self, database_url: str, conn: Connection) -> Iterator[None]:
        """What is stored was applied by a projector that has gone."""
        with projecting(database_url) as other:
            self.stored_by = other
            yield

    def run(self, url: str, *arguments: str) -> tuple[int, str]:
        self.stored_by.close()
        result = CliRunner().invoke(app, ["move", *arguments, "--by", "ana", "--database-url", url])
        return result.exit_code, result.output

    def test_one(self, database_url: str, conn: Connection) -> None:
        with_two_versions(self.stored_by)
        code, said = self.run(database_url, "order=1", "--reason", "the promise has changed")
        assert code == 0, said
        assert "1 · orders: on track" in said
        assert standing(conn)["1"] == (2, "on_track", "shipped")
        code, said = self.run(database_url, "order=1", "--reason", "again")
        assert (code, said.strip()) == (1, "id: the instance counts under version 2, which is in force")

    def test_all(self, database_url: str, conn: Connection) -> None:
        with_two_versions(self.stored_by)
        code, said = self.run(database_url, "--all", "--workflow", "orders", "--reason", "the promise has changed")
        assert code == 0, said
        assert "Moved 3 open instances of orders to version 2." in said
        assert {version for version, *_ in standing(conn).values()} == {2}
        rows = conn.execute("SELECT body FROM event WHERE type = %s", (MOVED,)).fetchall()
        conn.commit()
        assert [json.loads(body)["data"]["by"] for (body,) in rows] == ["ana"] * 3
        code, said = self.run(database_url, "--all", "--workflow", "orders", "--reason", "again")
        assert "Moved 0 open instances of orders to version 2." in said

    def test_all_but_those_of_other_keys(self, database_url: str, conn: Connection) -> None:
        with_two_versions(self.stored_by, SLOWER.replace("order: data.order", "order: {path: data.order, case: upper}"))
        code, said = self.run(database_url, "--all", "--workflow", "orders", "--reason", "why not")
        assert code == 0
        assert "Not moved: 3. Version 1 tells by other keys than version 2 which events are one." in said

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["--reason", "x"], 2, "Name one instance by its key, or all open ones with --all --workflow W."),
            (["order=1", "--all", "--workflow", "orders", "--reason", "x"], 2, "Name one instance"),
            (["--all", "--reason", "x"], 2, "Name one instance"),
            (["--all", "--workflow", "order", "--reason", "x"], 1, "workflow: none named 'order' is in force"),
            (["--all", "--workflow", "orders", "--reason", " "], 1, "reason: must not be empty"),
            (["order=1", "--reason", "a\nb"], 1, "reason: must be one line of plain text"),
            (["order=9", "--reason", "x"], 1, "order=9"),
        ],
    )
    def test_what_cannot_be_asked(
        self, database_url: str, conn: Connection, arguments: list[str], code: int, said: str
    ) -> None:
        with_two_versions(self.stored_by)
        before = conn.execute("SELECT count(*) FROM event").fetchone()
        conn.commit()
        found, told = self.run(database_url, *arguments)
        assert found == code
        assert said in told
        assert conn.execute("SELECT count(*) FROM event").fetchone() == before

    def test_no_database(self, tmp_path: Path) -> None:
        arguments = ["move", "order=1", "--reason", "x", "--data-dir", str(tmp_path / "none")]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert "There is no database in" in result.output


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "version: is missing; by: is missing; reason: is missing"),
        ({"version": "2", "by": "ana", "reason": "x"}, "version: must be the number of a version"),
        ({"version": True, "by": "ana", "reason": "x"}, "version: must be the number of a version"),
        ({"version": 0, "by": "ana", "reason": "x"}, "version: must be the number of a version"),
        ({"version": 2**40, "by": "ana", "reason": "x"}, "version: must be the number of a version"),
        ({"version": 2, "by": "ana", "reason": "x", "to": 3}, "to: is not known here; known are version, by, reason"),
    ],
)
def test_a_move_that_says_nothing_is_set_aside(conn: Connection, data: dict[str, Any], said: str) -> None:
    catalogue = with_two_versions(conn)
    good = moved_to(2, "order=1")
    document = good.document | {"data": {"workflow": "orders", "key": "order=1"} | data}
    log_events(conn, [msgspec.structs.replace(good, document=document)])
    project(conn, catalogue)
    rows = conn.execute("SELECT reason, detail FROM dead_letter").fetchall()
    conn.commit()
    assert len(rows) == 1
    assert rows[0][0] == "cannot_be_applied"
    assert said in rows[0][1]
    assert standing(conn)["1"] == (1, "stuck", "shipped")


class TestOverHttp:
    """A collector that was begun again with changed definitions."""

    CHANGED = DOORS.replace("within: {warn: 3h, breach: 4h}", "within: 20d")

    @pytest.fixture
    async def begun_again(self, database_url: str) -> AsyncIterator[tuple[Collector, str]]:
        """It, and the id of an order that is stuck under the version before."""
        async with running(database_url) as before:
            await before.events(
                cloud_event("one", time="2026-09-21T09:00:00Z", data={"order_id": "O-1"}),
                cloud_event("done", time="2026-09-21T09:00:00Z", data={"order_id": "O-2"}),
                cloud_event("over", type="order.cancelled", time="2026-09-21T09:00:00Z", data={"order_id": "O-2"}),
                cloud_event("alive", source="sap", type="heartbeat", time="2026-11-01T00:00:00Z"),
            )
            before.project()
        async with running(database_url, self.CHANGED) as after:
            (row,) = (await after.get("/api/v1/instances", key="order=O-1"))["items"]
            yield after, row["id"]

    async def say(self, collector: Collector, id_: str, said: Any) -> Any:
        return await collector.http.post(f"/api/v1/instances/{id_}/version", json=said)

    async def test_an_instance_counts_under_the_version_in_force(self, begun_again: tuple[Collector, str]) -> None:
        collector, id_ = begun_again
        assert (await collector.get(f"/api/v1/instances/{id_}"))["workflow_version"] == 1
        answer = await self.say(collector, id_, {"version": 2, "by": "ana", "reason": "new promise"})
        assert answer.status_code == 202, answer.text
        assert answer.json()["version"] == 2
        collector.project()
        found = await collector.get(f"/api/v1/instances/{id_}")
        assert found["workflow_version"] == 2
        assert found["journey"][1]["deadline_at"] == "2026-10-11T09:00:00Z"
        answer = await self.say(collector, id_, {"by": "ana", "reason": "once more"})
        assert answer.status_code == 409
        assert "id: the instance counts under version 2, which is in force" in answer.text

    @pytest.mark.parametrize(
        ("said", "status", "faults"),
        [
            ({}, 400, ["by: is missing", "reason: is missing"]),
            (
                {"version": "2", "by": 1, "reason": ""},
                400,
                ["version: must be", "by: must be text", "reason: must not"],
            ),
            ({"version": 1, "by": "ana", "reason": "x"}, 409, ["version: must be 2, the version of order-to-cash"]),
            ({"version": 3, "by": "ana", "reason": "x", "force": True}, 400, ["force: is not known here"]),
            ({"version": 10**30, "by": "ana", "reason": "x"}, 400, ["version: must be the number of a version"]),
        ],
    )
    async def test_what_cannot_be_asked(
        self, begun_again: tuple[Collector, str], said: Any, status: int, faults: list[str]
    ) -> None:
        collector, id_ = begun_again
        before = collector.ids()
        answer = await self.say(collector, id_, said)
        assert answer.status_code == status, answer.text
        assert all(fault in answer.text for fault in faults)
        assert collector.ids() == before

    async def test_of_which_instance(self, begun_again: tuple[Collector, str]) -> None:
        collector, _ = begun_again
        good = {"by": "ana", "reason": "x"}
        for unknown in ("019ab2c4-0000-7000-8000-000000000000", "nonsense", "%00"):
            assert (await self.say(collector, unknown, good)).status_code == 404
        (over,) = (await collector.get("/api/v1/instances", key="order=O-2"))["items"]
        answer = await self.say(collector, over["id"], good)
        assert answer.status_code == 409
        assert "is cancelled: what is over keeps its version" in answer.text
