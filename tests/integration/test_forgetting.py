"""Forgetting one person: nothing of him is left anywhere, what was counted stays, and a rebuild comes to the same."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql as psql

from collector.catalogue import load_catalogue
from collector.erasure import forgetting
from collector.log import Batch
from collector.rebuild import fingerprints, forget
from collector.retention.compression import compress_old
from collector.spool.draining import Draining
from collector.spool.packing import pack
from collector.spool.segments import Spool
from collector.spool.spooling import Spooling
from collector.store.database import Connection, has_timescale
from tests.integration.fix_doors import Collector, cloud_event, running
from tests.projecting import assert_that_instances_are_counted, log_row, project
from tests.strategies import make_event

WHO = "ada@example.com"
DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: signup, domain: people, owner: desk}
spec:
  entity: person
  keys:
    email: {path: data.person.email, case: lower, aliases: [{on: {exact: {source: crm, type: renamed}}, old: data.old, new: data.person.email}]}
    case: {path: data.case}
  attributes: {name: data.person.name, plan: data.plan, contact: data.person.email}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: asked, on: {exact: {source: crm, type: asked}}, starts: true}
    - {name: checked, on: {exact: {source: crm, type: checked}}, within: {breach: 4h, by: {plan: {gold: {breach: 1h}}}}, require: [{path: data.box.score, exists: true}]}
    - {name: let_in, on: {all: [{exact: {source: crm, type: let_in}}, {exact: {data.answer: "yes"}}]}, within: 2d, completes: true}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order, domain: orders, owner: shop}
spec:
  entity: order
  keys:
    order: {path: data.order}
    email: {path: data.buyer, joins: false}
    number: {path: data.number, joins: false}
  attributes: {street: data.street, buyer: data.buyer}
  milestones:
    - {name: placed, on: {exact: {source: shop, type: placed}}, starts: true}
    - {name: shipped, on: {exact: {source: shop, type: shipped}}, within: 1d, completes: true}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: let-in-in-time}
spec: {workflow: signup, latency: {from: asked, to: let_in, within: 2d}, target: 0.9, missing_data: bad, window: 30d, group_by: [plan, contact]}
"""


@pytest.fixture
async def collector(either_url: str) -> AsyncIterator[Collector]:
    async with running(either_url, DEFINITIONS) as made:
        yield made


def compress(conn: Connection) -> None:
    """Compress every chunk of the log, and let no transaction decompress more than a row unless it says so."""
    with conn.transaction():
        if not has_timescale(conn):
            return
        conn.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
            " timescaledb.max_tuples_decompressed_per_dml_transaction = 1', current_database()); END $$"
        )
        conn.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1")
    assert compress_all(conn) > 0


def compress_all(conn: Connection) -> int:
    """What the duty would do when all chunks are old enough; how many it compressed."""
    postponed: dict[str, str] = {}
    done = compress_old(conn, datetime.now(UTC) + timedelta(days=60), postponed)
    assert postponed == {}
    return done


def event(id_: str, type_: str, data: dict[str, Any], source: str = "crm", **more: Any) -> dict[str, Any]:
    return cloud_event(id_, type=type_, source=source, data=data) | more


def person(email: str = WHO, **more: Any) -> dict[str, Any]:
    name, born = ("Ada Lovelace", "1815-12-10") if email.lower() == WHO else ("Bob", "1901-01-01")
    return {"person": {"email": email, "name": name, "born": born}, **more}


async def told(collector: Collector) -> None:
    """Two persons, of whom one shares an order with nobody, in every place where something is kept."""
    trace = "5b8efff798038103d269b633813fc60c"
    await collector.events(
        event(f"asked-{WHO}", "asked", person(plan="gold", amount=12, currency="EUR", iban="DE02 SECRET-IBAN")),
        event("2", "checked", person("Ada@Example.com", case="C-1", box={"score": 7, "text": "SECRET-TEXT"})),
        event("3", "let_in", {"case": "C-1", "answer": "yes", "address": "SECRET-STREET 1"}),
        event("4", "asked", person("bob@example.com", plan="gold", friend=f"of {WHO}!")),
        event("5", "placed", {"order": "O-1", "buyer": WHO, "street": "SECRET-STREET 1"}, "shop",
              traceparent=f"00-{trace}-eee19b7ec3c1b174-01"),
        event("6", "shipped", {"order": "O-1", "weight": 3}, "shop"),
        event("7", "placed", {"order": "O-2", "buyer": "bob@example.com", "street": "Main 1"}, "shop"),
        event("8", "stray", {"about": WHO, "more": "x"}),
        event(f"asked-{WHO}", "asked", person(plan="gold", iban="SECRET-AGAIN")),
        {"id": "broken", "data": {"of": WHO}},
        event("9", "checked", {"person": {"email": ""}, "why": WHO}),
        event("10", "placed", {"order": "O-3", "buyer": "x@example.com", "number": 42}, "shop"),
        event("11", "renamed", {"old": WHO, "person": {"email": "ada.new@example.com"}}),
    )  # fmt: skip
    attributes = [{"key": "db.statement", "value": {"stringValue": "SECRET-SPAN"}}]
    span = {"traceId": trace, "spanId": "eee19b7ec3c1b174", "name": "sell", "attributes": attributes}
    span |= {"startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"}
    other = span | {"traceId": "6" * 32, "name": f"mail {WHO}", "attributes": []}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "crm"}}]}
    spans = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span, other]}]}]}
    assert (await collector.http.post("/v1/traces", json=spans)).status_code == 200
    project(collector.projecting, collector.catalogue)
    conn = collector.conn
    with conn.transaction():
        found = conn.execute("SELECT instance_id FROM instance_key WHERE workflow = 'signup' AND value = %s", (WHO,))
        ((signup,),) = found.fetchall()
        conn.execute(
            "INSERT INTO instance_note (instance_id, at, act, by, text, request) VALUES"
            " (%s, now(), 'comment', 'jo', 'she lives at SECRET-STREET', gen_random_uuid())",
            (signup,),
        )
        conn.execute(
            "INSERT INTO instance_handling (instance_id, assigned_to, assigned_at) VALUES (%s, 'jo', now())", (signup,)
        )
        conn.execute(
            "INSERT INTO incident (id, dedup_key, verdict, workflow, status, severity, title, count, peak_count,"
            " noted_count, value, peak_value, oldest_since, samples, opened_at, updated_at, attributes)"
            " VALUES (gen_random_uuid(), 'x', 'stuck', 'signup', 'firing', 'warning', %s, 1, 1, 1, '[]', '[]', now(),"
            " ARRAY[%s]::uuid[], now(), now(), %s)",
            (f"stuck: {WHO.upper()}", signup, json.dumps({"contact": [WHO]})),
        )
        conn.execute(
            "INSERT INTO incident_event (incident_id, at, what, detail, by)"
            " SELECT id, now(), 'commented', %s, 'jo' FROM incident",
            (f"called {WHO.title()}",),
        )
        conn.execute(
            "INSERT INTO outbox (message_id, incident_id, target, kind, transition, reason, notice, next_attempt_at,"
            " created_at) SELECT 'm', id, 'chat', 'slack', 'firing', 'opened', %s::jsonb, now(), now() FROM incident",
            (json.dumps({"title": WHO, "samples": [str(signup)]}),),
        )
        conn.execute(
            "INSERT INTO delivery (outbox_id, attempt, at, fate, reason, sent, answer)"
            " SELECT id, 1, now(), 'delivered', 'x', %s, 'ok' FROM outbox",
            (f"{WHO} {signup}",),
        )
        conn.execute("INSERT INTO saved_view VALUES ('hers', %s, 'jo', now())", (f"q={WHO}",))
        conn.execute(
            "INSERT INTO source_request (source, method, path, headers, body, mapped_at)"
            " VALUES ('desk', 'POST', '/', '{}', %s, now())",
            (b"who=ada%40example.com&iban=SECRET-FORM",),
        )
    compress(conn)


def left(conn: Connection, *texts: str) -> list[tuple[str, str]]:
    """The tables in which any of these is still found, in whatever form."""
    found = []
    with conn.transaction():
        names = conn.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'"
        ).fetchall()
        for table, column, kind in names:
            for text in texts:
                said: psql.Composable = psql.Identifier(column)
                shape = "encode({}, 'escape')" if kind == "bytea" else "{}::text"
                query = psql.SQL(
                    "SELECT count(*) FROM {} WHERE position(lower(%s) IN lower(" + shape + ")) > 0"
                ).format(psql.Identifier(table), said)
                row = conn.execute(query, (text,)).fetchone()
                if row and row[0]:
                    found.append((f"{table}.{column}", text))
    return found


def counted(conn: Connection) -> dict[str, Any]:
    """What must stay as it is."""
    asked = {
        "counts": "SELECT workflow, verdict, count FROM instance_count ORDER BY 1, 2",
        "stand": "SELECT workflow, verdict, reason, waiting_for, due_at, deadline_at, since, started_at, updated_at,"
        " value_amount FROM instance ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "buckets": "SELECT objective, minutes, bucket, unit, good, bad, waived FROM sli_bucket ORDER BY 1, 2, 3, 4, 5, 6",
        "changes": "SELECT at, verdict, reason FROM verdict_change ORDER BY 1, 2, 3",
        "events": "SELECT seq, occurred_at, source, type FROM event ORDER BY seq",
        "milestones": "SELECT seq, milestone FROM instance_event ORDER BY 1, 2",
        "letters": "SELECT count(*) FROM dead_letter",
        "spans": "SELECT count(*) FROM span",
    }
    with conn.transaction():
        return {name: conn.execute(query.encode()).fetchall() for name, query in asked.items()}


def rebuilt_equal(collector: Collector) -> None:
    conn = collector.conn
    before = fingerprints(conn)
    forget(conn, current_definitions=False)
    project(collector.projecting, load_catalogue(conn))
    after = fingerprints(conn)
    assert {name for name in before if before[name] != after[name]} == set()
    assert_that_instances_are_counted(conn)


def run(collector: Collector, namespace: str, value: str, *, dry_run: bool = False) -> forgetting.Forgotten:
    # What was swept last is as of then.
    project(collector.projecting, collector.catalogue)
    return forgetting.forget(collector.conn, collector.catalogue, namespace, value, datetime.now(UTC), dry_run=dry_run)


async def test_a_dry_run_says_what_would_be_changed_and_changes_nothing(collector: Collector) -> None:
    await told(collector)
    before, derived = counted(collector.conn), fingerprints(collector.conn)
    log = collector.rows("SELECT md5(string_agg(body::text || id, '' ORDER BY seq)) FROM event")
    found = run(collector, "email", WHO, dry_run=True)
    assert found.counts["own instances"] == 2
    assert found.counts["own events"] >= 6
    assert {
        "dead letters",
        "spans",
        "delivery",
        "outbox",
        "incident",
        "instance_note",
        "saved_view",
    } <= found.counts.keys()
    assert "case=C-1" in found.besides
    assert "email=ada.new@example.com" in found.besides
    assert counted(collector.conn) == before
    assert fingerprints(collector.conn) == derived
    assert collector.rows("SELECT md5(string_agg(body::text || id, '' ORDER BY seq)) FROM event") == log
    assert collector.rows("SELECT count(*) FROM audit") == [(0,)]


async def test_nothing_of_a_person_is_left_and_what_was_counted_stays(collector: Collector) -> None:
    await told(collector)
    conn = collector.conn
    before = counted(conn)
    assert {place.partition(".")[0] for place, _ in left(conn, WHO)} >= {
        "event", "span", "dead_letter", "instance", "instance_key", "incident", "incident_event", "outbox", "delivery",
        "saved_view", "sli_bucket",
    }  # fmt: skip
    rebuilt_equal(collector)
    done = run(collector, "email", WHO)
    assert left(conn, WHO, "ada%40example.com", "Lovelace", "SECRET", "1815") == []
    assert counted(conn) == before
    rebuilt_equal(collector)
    assert counted(conn)["counts"] == before["counts"]
    pseudonym = done.subject.pseudonym
    found = await collector.get("/api/v1/search", q=pseudonym)
    assert {row["workflow"] for row in found["items"]} == {"signup", "order"}
    (signup,) = [row["id"] for row in found["items"] if row["workflow"] == "signup"]
    whole = await collector.get(f"/api/v1/instances/{signup}")
    assert whole["notes"][0]["text"] == "(forgotten)"
    assert whole["handling"]["assigned_to"] == "jo"
    assert whole["verdict"] == "completed"
    assert whole["attributes"] == {"plan": "gold", "contact": pseudonym}
    ((samples, notice, sent),) = collector.rows(
        "SELECT i.samples::text, o.notice::text, d.sent FROM incident i, outbox o, delivery d"
    )
    assert signup in samples
    assert signup in notice
    assert signup in sent
    ((action, on, after),) = collector.rows("SELECT action, object, after FROM audit")
    assert (action, on) == ("subject.forgotten", f"key sha256:{done.subject.digest}")
    assert WHO not in after
    # Somebody else is as he was but for what he said of her.
    (bob,) = collector.rows("SELECT convert_from(body, 'UTF8') FROM event WHERE id = '4'")[0]
    assert json.loads(bob)["data"] == person("bob@example.com", plan="gold", friend=f"of {pseudonym}!")
    assert run(collector, "email", WHO).counts == {}


async def test_a_short_value_is_replaced_where_keys_are_read_and_nowhere_else(collector: Collector) -> None:
    await told(collector)
    await collector.events(
        event("12", "placed", {"order": "O-4", "number": "42", "weight": 42, "text": "42 42"}, "shop")
    )
    await collector.events(event("13", "placed", {"order": "O-5", "weight": 42, "text": "42"}, "shop"))
    done = run(collector, "number", "42")
    assert not done.sought
    assert done.counts["own events"] == done.counts["own instances"] == 2
    bodies = dict(collector.rows("SELECT id, convert_from(body, 'UTF8') FROM event WHERE id IN ('10', '12', '13')"))
    assert json.loads(bodies["12"])["data"] == {"order": "O-4", "number": done.subject.pseudonym}
    assert json.loads(bodies["10"])["data"]["number"] == done.subject.pseudonym
    assert json.loads(bodies["13"])["data"] == {"order": "O-5", "weight": 42, "text": "42"}
    rebuilt_equal(collector)


async def test_where_the_log_has_lost_events_what_is_known_is_changed_all_the_same(collector: Collector) -> None:
    await told(collector)
    before = counted(collector.conn)
    if has_timescale(collector.conn):
        collector.conn.execute("SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
    collector.conn.execute("DELETE FROM event WHERE id IN ('3', '6')")
    collector.conn.commit()
    done = run(collector, "email", WHO)
    assert left(collector.conn, WHO, "Lovelace", "SECRET") == []
    after = counted(collector.conn)
    assert {name for name in before if before[name] != after[name]} == {"events"}
    found = await collector.get("/api/v1/instances", key=done.subject.pseudonym)
    assert {one["verdict"] for one in found["items"]} == {"completed"}
    assert all("buyer" not in one["attributes"] and "name" not in one["attributes"] for one in found["items"])


async def test_what_has_not_been_mapped_or_applied_yet_keeps_it_from_being_done(collector: Collector) -> None:
    await told(collector)
    collector.conn.execute("UPDATE source_request SET mapped_at = NULL")
    collector.conn.commit()
    with pytest.raises(forgetting.Waits):
        run(collector, "email", WHO)
    assert left(collector.conn, WHO)
    collector.conn.execute("UPDATE source_request SET mapped_at = now()")
    collector.conn.execute("UPDATE projection SET swept_to = now() - interval '1 hour'")
    collector.conn.commit()
    with pytest.raises(forgetting.NotCurrent):
        forgetting.forget(collector.conn, collector.catalogue, "email", WHO, datetime.now(UTC), dry_run=False)
    assert left(collector.conn, WHO)


async def test_what_waits_on_the_disk_of_a_receiver_keeps_it_from_being_done_and_is_forgotten_when_written(
    collector: Collector, tmp_path: Path
) -> None:
    await told(collector)
    conn = collector.conn
    spool = Spool(tmp_path / "spool", 2**20, left_free=0)
    with conn.transaction():
        conn.execute(
            "INSERT INTO receiver_spool (id, name, told_at) VALUES (%s, 'http://eu-1:8080', now())", (spool.id,)
        )
    late = make_event("asked", 0, 77, "crm", {"person": {"email": WHO, "iban": "SECRET-ON-DISK"}})
    spool.add([pack(Batch(events=[log_row(late)]), time.time_ns() // 1000)])
    Spooling(collector.url, spool, "http://eu-1:8080").tell(conn, datetime.now(UTC))
    with pytest.raises(forgetting.Buffered) as refused:
        run(collector, "email", WHO)
    (buffer,) = refused.value.buffers
    assert (buffer.receiver, buffer.waits_since is None) == ("http://eu-1:8080", False)
    assert left(conn, WHO)
    assert run(collector, "email", WHO, dry_run=True).buffers == [buffer]
    now = datetime.now(UTC)
    catalogue = collector.catalogue
    done = forgetting.forget(conn, catalogue, "email", WHO, now, dry_run=False, leave_buffers=True)
    assert done.buffers == [buffer]
    assert left(conn, WHO, "SECRET") == []
    draining = Draining(conn, spool)
    draining.begin()
    while draining.run_once() is not None:
        pass
    with conn.transaction():
        conn.execute("UPDATE receiver_spool SET waits_since = NULL, told_at = clock_timestamp()")
    assert left(conn, "SECRET-ON-DISK")
    assert run(collector, "email", WHO).buffers == []
    assert left(conn, WHO, "SECRET") == []
    spool.close()


async def test_a_receiver_that_ended_without_a_word_is_named_and_stops_nobody(collector: Collector) -> None:
    await told(collector)
    collector.conn.execute(
        "INSERT INTO receiver_spool (id, name, told_at, given_up) VALUES"
        " (gen_random_uuid(), 'gone', now() - interval '3 days', true),"
        " (gen_random_uuid(), 'there', now(), false)"
    )
    collector.conn.commit()
    done = run(collector, "email", WHO)
    assert [(one.receiver, one.waits_since) for one in done.buffers] == [("gone", None)]
    assert left(collector.conn, WHO) == []


async def test_it_is_all_or_nothing(collector: Collector) -> None:
    await told(collector)
    before = counted(collector.conn)
    collector.conn.execute("ALTER TABLE audit RENAME TO audit_away")
    collector.conn.commit()
    with pytest.raises(psycopg.errors.UndefinedTable):
        run(collector, "email", WHO)
    assert left(collector.conn, WHO)
    assert counted(collector.conn) == before
    collector.conn.execute("ALTER TABLE audit_away RENAME TO audit")
    collector.conn.commit()


async def test_what_was_changed_in_compressed_chunks_is_compressed_again_and_nothing_comes_back(timescale: Any) -> None:
    url = timescale.clone()
    async with running(url, DEFINITIONS) as made:
        await told(made)
        assert compress_all(made.conn) == 0
        run(made, "email", WHO)
        counts = counted(made.conn)
        # One of events and one of spans; then there is nothing left to do.
        assert compress_all(made.conn) == 2
        assert compress_all(made.conn) == 0
        assert left(made.conn, WHO, "Lovelace", "SECRET", "1815") == []
        assert counted(made.conn) == counts
        rebuilt_equal(made)
    timescale.drop(url)
