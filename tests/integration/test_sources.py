"""Sources that send in forms of their own: authenticated, durable, acknowledged, mapped; and dead letters settled."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import Gauge

from collector import duties, metrics, source_rates
from collector.rebuild import forget
from collector.sources import door, intake
from collector.sources.exchange import Answer, Received
from collector.sources.generic.adapter import Generic
from collector.store.database import connect
from collector.store.sql import load
from slo_rules.instants import rfc3339
from tests.integration.fix_doors import Collector, running
from tests.projecting import project
from tests.sources import FOLDER

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: erp}
spec:
  entity: order
  keys: {order: {path: data.order_id, case: upper}, opportunity: {path: data.opportunity_id}}
  milestones:
    - {name: placed, on: {exact: {type: order.created}}, starts: true}
    - {name: paid, on: {exact: {source: stripe, type: invoice.paid}}, within: 1d, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: stripe}
spec: {adapter: {name: stripe, secret: "${STRIPE}", sensitive: {drop: data.object.customer_email, hash: data.object.customer_name, key: "${KEY}"}}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: shop}
spec:
  adapter:
    name: generic
    secret: "${SHOP}"
    signature: {header: X-Signature}
    mapping:
      id: id
      time: at
      type: what
      types: {ORDER: order.created, PING: ignore}
      fields: {order_id: order}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: salesforce}
spec: {adapter: {name: salesforce, token: "${TOKEN}", tenant: 00D5i000000GBXkEAO}}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap}
spec: {adapter: {name: sap, token: "${TOKEN}"}}
"""
ENVIRONMENT = {"STRIPE": "whsec_a", "KEY": "k", "SHOP": "s3cret", "TOKEN": "t0ken"}


@pytest.fixture
async def collector(database_url: str) -> AsyncIterator[Collector]:
    async with running(database_url, DEFINITIONS, ENVIRONMENT) as made:
        yield made


def charged(id_: str = "evt_1", type_: str = "invoice.paid", **more: Any) -> bytes:
    about = {"id": "in_1", "object": "invoice", "status": "paid", "amount_paid": 4825000, "currency": "usd"}
    about |= {"customer_email": "ann@example.com", "customer_name": "Ann", "metadata": {"order_id": "so-1"}} | more
    event = {"id": id_, "object": "event", "type": type_, "created": int(time.time()), "data": {"object": about}}
    return json.dumps(event).encode()


def by_stripe(body: bytes, secret: str = "whsec_a", at: float | None = None) -> dict[str, str]:
    stamp = int(time.time() if at is None else at)
    made = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={made}"}


async def pay(collector: Collector, body: bytes, **headers: str) -> httpx.Response:
    return await collector.http.post("/sources/stripe", content=body, headers=by_stripe(body) | headers)


async def order(collector: Collector, document: Any, **headers: str) -> httpx.Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "X-Signature": signature} | headers
    return await collector.http.post("/sources/shop", content=body, headers=headers)


def placed(id_: str = "1", **changes: Any) -> dict[str, Any]:
    return {"id": id_, "at": "2026-11-21T09:00:00Z", "what": "ORDER", "order": "SO-1"} | changes


def kept(collector: Collector) -> list[tuple[Any, ...]]:
    return collector.rows("SELECT source, method, path, headers, body, mapped_at FROM source_request ORDER BY number")


async def test_what_a_source_sends_is_kept_acknowledged_and_then_becomes_an_instance(collector: Collector) -> None:
    assert (await order(collector, placed())).status_code == 200
    assert (await pay(collector, charged())).status_code == 200
    assert [row[5] for row in kept(collector)] == [None, None]
    assert collector.ids() == []
    assert collector.map() == 2
    assert collector.ids() == ["1", "evt_1"]
    assert all(row[5] for row in kept(collector))
    collector.project()
    (found,) = (await collector.get("/api/v1/instances"))["items"]
    assert found["verdict"] in ("completed", "completed_late")
    assert collector.map() == 0


async def test_what_is_sensitive_is_nowhere_in_the_database(collector: Collector) -> None:
    await pay(collector, charged())
    collector.map()
    collector.project()
    (row,) = kept(collector)
    document = json.loads(row[4])
    assert "customer_email" not in document["data"]["object"]
    assert document["data"]["object"]["customer_name"].startswith("hash:")
    everything = collector.rows("SELECT (SELECT string_agg(convert_from(body, 'UTF8'), '') FROM event)")[0][0]
    assert "ann" not in (row[4].decode() + everything).lower().replace("channel", "")
    assert "stripe-signature" not in row[3]


async def test_a_body_of_which_nobody_can_tell_what_is_sensitive_is_not_kept(collector: Collector) -> None:
    body = b'{"customer_email": "ann@example.com"'
    assert (await pay(collector, body)).status_code == 200
    assert kept(collector) == []
    ((source, reason, detail, _, letter),) = collector.letters()
    assert (source, reason) == ("stripe", "unreadable_request")
    assert "not kept" in detail
    assert b"ann" not in letter
    assert hashlib.sha256(body).hexdigest().encode() in letter


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Stripe-Signature": "t=1,v1=00"}, 401),
        ({"Stripe-Signature": b"\xff"}, 401),
        (by_stripe(b"{}", "whsec_b"), 401),
        (by_stripe(b"{}", at=1_700_000_000), 401),
    ],
)
async def test_whoever_is_not_the_source_leaves_nothing_behind(
    collector: Collector, headers: dict[str, Any], status: int
) -> None:
    answer = await collector.http.post("/sources/stripe", content=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "whsec" not in answer.text
    assert kept(collector) == collector.letters() == []


async def test_no_source_no_adapter_and_no_token_are_told_alike(collector: Collector) -> None:
    answers = [
        await collector.http.post(f"/sources/{path}", content=b"<a/>")
        for path in ("nobody", "salesforce", "salesforce/wrong", "salesforce/t0ken/more", "stripe/more", "sap/")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert kept(collector) == collector.letters() == []


async def test_salesforce_gets_its_ack_and_its_session_is_not_kept(collector: Collector) -> None:
    body = (FOLDER / "salesforce" / "outbound-opportunity.xml").read_bytes()
    session = body.replace(b'<SessionId xsi:nil="true"/>', b"<SessionId>00D5!AQ.secret</SessionId>")
    answer = await collector.http.post(
        "/sources/salesforce/t0ken", content=session, headers={"content-type": "text/xml; charset=utf-8"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.content == (FOLDER / "salesforce" / "ack.xml").read_bytes()
    assert b"AQ.secret" not in kept(collector)[0][4]
    assert collector.map() == 1
    assert collector.ids() == ["00D5i000000GBXkEAO:04l5i00000GhT2cAAF", "00D5i000000GBXkEAO:04l5i00000GhT2dAAF"]
    plain = await collector.http.post("/sources/salesforce/t0ken", content=body, headers={"content-type": "text/xml"})
    assert plain.status_code == 200
    assert kept(collector)[1][4] == body


async def test_another_organisation_is_acknowledged_and_set_aside(collector: Collector) -> None:
    body = (FOLDER / "salesforce" / "outbound-opportunity.xml").read_bytes().replace(b"00D5i", b"00D6i")
    answer = await collector.http.post("/sources/salesforce/t0ken", content=body, headers={"content-type": "text/xml"})
    assert answer.status_code == 200
    collector.map()
    ((_, reason, detail, _, _),) = collector.letters()
    assert (reason, detail) == ("unreadable_request", "of another organisation than '00D5i000000GBXkEAO'")


async def test_xml_with_entities_does_nothing(collector: Collector) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    answer = await collector.http.post("/sources/salesforce/t0ken", content=bomb, headers={"content-type": "text/xml"})
    assert answer.status_code == 200
    ((_, reason, detail, _, _),) = collector.letters()
    assert reason == "unreadable_request"
    assert "entities" in detail


async def test_the_handshake_of_event_mesh(collector: Collector) -> None:
    asked = json.loads((FOLDER / "sap" / "eventmesh-handshake.headers.json").read_text())
    answer = await collector.http.request("OPTIONS", "/sources/sap/t0ken", headers=asked["headers"])
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "em-webhook.eu10.example"
    assert (await collector.http.request("OPTIONS", "/sources/sap/x", headers=asked["headers"])).status_code == 404
    assert (await collector.http.get("/sources/sap/t0ken")).status_code == 405


async def test_sap_in_both_modes(collector: Collector) -> None:
    for name in ("salesorder-created", "salesorder-changed.binary"):
        headers = json.loads((FOLDER / "sap" / f"{name}.headers.json").read_text())["headers"]
        body = (FOLDER / "sap" / f"{name}.json").read_bytes()
        assert (await collector.http.post("/sources/sap/t0ken", content=body, headers=headers)).status_code == 204
    assert all("authorization" not in row[3] for row in kept(collector))
    collector.map()
    assert [row[0] for row in collector.rows("SELECT type FROM event ORDER BY seq")] == [
        "order.created",
        "order.changed",
    ]


async def test_a_system_gets_the_answers_and_paths_that_it_needs(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Peculiar(Generic):
        paths = frozenset(("v3/message",))

        def handshake(self, received: Received, source: Any) -> Answer | None:
            token = received.query.get("validationToken")
            return None if token is None else Answer(200, token.encode(), {"content-type": "text/plain"})

        def refused(self, status: int, why: str) -> Answer | None:
            return Answer(503, why.encode())

    monkeypatch.setattr(collector.receivers["shop"], "adapter", Peculiar())
    asked = await collector.http.get("/sources/shop/v3/message?validationToken=x")
    assert (asked.status_code, asked.text) == (200, "x")
    refused = await collector.http.post("/sources/shop/v3/message", content=b"{}")
    assert (refused.status_code, refused.text) == (503, "there is no header x-signature")
    assert (await collector.http.delete("/sources/shop/v3/message")).status_code == 405
    assert (await order(collector, placed())).status_code == 404


async def test_compressed_bodies_are_bounded_and_signed_as_they_are_inside(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(placed()).encode()
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    headers = {"content-encoding": "gzip", "X-Signature": signature}
    good = await collector.http.post("/sources/shop", content=gzip.compress(body), headers=headers)
    assert good.status_code == 200
    large = gzip.compress(b" " * (door.MAX_SOURCE_BODY + 1))
    assert (await collector.http.post("/sources/shop", content=large, headers=headers)).status_code == 413
    assert (await collector.http.post("/sources/shop", content=b"x", headers=headers)).status_code == 400
    large = b" " * (door.MAX_SOURCE_BODY + 1)
    assert (await collector.http.post("/sources/shop", content=large)).status_code == 413


async def test_an_absent_database_is_our_fault_and_not_the_sources(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector.writer, "_down_until", time.monotonic() + 60)
    answer = await order(collector, placed())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_a_large_body_is_taken_like_a_small_one(collector: Collector) -> None:
    body = charged(description="x" * 2**20)
    assert (await pay(collector, body)).status_code == 200
    assert b"ann@example.com" not in kept(collector)[0][4]
    assert (await pay(collector, b"{" + b"[" * 2**17)).status_code == 200
    assert len(collector.letters()) == 1


async def test_one_that_cannot_be_mapped_takes_no_other_with_it(collector: Collector) -> None:
    members = [placed("1"), placed("2", what="RETURN"), 7, placed("3", at="yesterday"), placed(""), {"what": "PING"}]
    assert (await order(collector, members)).status_code == 200
    assert (await order(collector, b"not json")).status_code == 200
    collector.map()
    assert collector.ids() == ["1"]
    found = collector.rows("SELECT reason, detail, request, item FROM dead_letter ORDER BY number")
    assert [(reason, item) for reason, _, _, item in found] == [
        *(("cannot_be_mapped", item) for item in (1, 2, 3, 4)),
        ("unreadable_request", None),
    ]
    assert "'RETURN' has no event type" in found[0][1]
    assert "'yesterday' is not a time" in found[2][1]
    assert "id: there is none" in found[3][1]


async def test_an_adapter_that_fails_loses_nothing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    await order(collector, placed())

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(collector.receivers["shop"].adapter, "read", broken)
        collector.map()
    assert [row[:3] for row in collector.letters()] == [
        ("shop", "unreadable_request", "the adapter generic failed: ZeroDivisionError")
    ]
    answer = await collector.http.post("/api/v1/dead-letters/replay", json={"source": "shop", "by": "ann"})
    assert answer.json()["items"][0]["events"] == [{"type": "order.created", "id": "1"}]
    assert collector.ids() == ["1"]


async def test_what_cannot_be_stored_is_set_aside_alone(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for id_ in ("1", "2", "3"):
        await order(collector, placed(id_))
    receiver = collector.receivers["shop"]
    plain = type(receiver).map

    def poisoned(self: Any, received: Any, *more: Any) -> Any:
        found = plain(self, received, *more)
        if found.events[0].id == "2":
            found.rows[0] = found.rows[0].replace(b"order.created", b"order\x00created")
        return found

    monkeypatch.setattr(type(receiver), "map", poisoned)
    assert collector.map() == 3
    assert collector.ids() == ["1", "3"]
    assert [row[1] for row in collector.letters()] == ["unreadable_request"]


MENDED = DEFINITIONS.replace("types: {ORDER", "types: {RETURN: return.created, ORDER")


class TestReplay:
    async def broken(self, url: str) -> None:
        """One that is mapped and two that are not."""
        async with running(url, DEFINITIONS, ENVIRONMENT) as collector:
            await order(collector, [placed("1"), placed("2", what="RETURN"), placed("3", what="HAIL")])
            collector.map()
            collector.project()

    async def test_what_a_mended_mapping_takes_is_taken_once(self, database_url: str) -> None:
        await self.broken(database_url)
        async with running(database_url, MENDED, ENVIRONMENT) as collector:
            said = {"source": "shop", "by": "ann"}
            dry = (await collector.http.post("/api/v1/dead-letters/replay", json=said | {"dry_run": True})).json()
            assert [(one["settled"], one["events"]) for one in dry["items"]] == [
                (True, [{"type": "return.created", "id": "2"}]),
                (False, []),
            ]
            assert collector.ids() == ["1"]
            assert (await collector.get("/api/v1/dead-letters"))["total"] == 2
            done = (await collector.http.post("/api/v1/dead-letters/replay", json=said)).json()
            assert done["items"] == dry["items"]
            assert collector.ids() == ["1", "2"]
            (left,) = (await collector.get("/api/v1/dead-letters", reason="cannot_be_mapped"))["items"]
            assert "HAIL" in left["detail"]
            again = (await collector.http.post("/api/v1/dead-letters/replay", json=said)).json()
            assert [one["id"] for one in again["items"]] == [left["id"]]
            assert collector.ids() == ["1", "2"]
            settled = await collector.get(f"/api/v1/dead-letters/{done['items'][0]['id']}")
            assert (settled["settled"]["as"], settled["settled"]["by"]) == ("replayed", "ann")

    async def test_discarding_says_why_and_stays_on_record(self, database_url: str) -> None:
        await self.broken(database_url)
        async with running(database_url, DEFINITIONS, ENVIRONMENT) as collector:
            (one, *_) = (await collector.get("/api/v1/dead-letters"))["items"]
            body = {"ids": [one["id"]], "by": "ann", "because": "a test of theirs"}
            assert (await collector.http.post("/api/v1/dead-letters/discard", json=body)).json() == {"ids": [one["id"]]}
            assert (await collector.http.post("/api/v1/dead-letters/discard", json=body)).json() == {"ids": []}
            assert (await collector.get("/api/v1/dead-letters"))["total"] == 1
            whole = await collector.get(f"/api/v1/dead-letters/{one['id']}")
            assert (whole["settled"]["as"], whole["settled"]["because"]) == ("discarded", "a test of theirs")
            assert json.loads(whole["body"])[2]["what"] == "HAIL"
            assert whole["item"] == 2
            assert whole["headers"] == {"content-type": "application/json"}

    async def test_a_logged_event_without_a_key_counts_by_the_definitions_of_then(self, database_url: str) -> None:
        async with running(database_url, DEFINITIONS, ENVIRONMENT) as collector:
            await order(collector, placed("1", order=None, number="SO-7"))
            collector.map()
            collector.project()
            (letter,) = (await collector.get("/api/v1/dead-letters"))["items"]
            assert letter["reason"] == "no_usable_key"
            said = {"ids": [letter["id"]], "by": "ann"}
            (tried,) = (await collector.http.post("/api/v1/dead-letters/replay", json=said)).json()["items"]
            assert (tried["settled"], tried["why"]) == (False, "orders finds no usable key in it")
        other = DEFINITIONS.replace("{path: data.order_id, case: upper}", "{path: [data.order_id, data.native_type]}")
        async with running(database_url, other, ENVIRONMENT) as collector:
            (tried,) = (await collector.http.post("/api/v1/dead-letters/replay", json=said)).json()["items"]
            assert tried["settled"]
            collector.project()
            assert (await collector.get("/api/v1/instances"))["total"] == 1
            assert (await collector.get("/api/v1/dead-letters"))["total"] == 0

    async def test_a_request_that_is_no_longer_kept_cannot_be_replayed(self, database_url: str) -> None:
        await self.broken(database_url)
        async with running(database_url, MENDED, ENVIRONMENT) as collector:
            collector.conn.execute("DELETE FROM source_request")
            collector.conn.commit()
            said = {"reason": "cannot_be_mapped", "by": "ann"}
            answer = (await collector.http.post("/api/v1/dead-letters/replay", json=said)).json()
            assert {one["why"] for one in answer["items"]} == {"the request is no longer kept"}

    @pytest.mark.parametrize(
        ("path", "body", "fields"),
        [
            ("replay", {}, ["ids", "by"]),
            ("replay", {"ids": [], "by": "a"}, ["ids"]),
            ("replay", {"ids": ["x", 1e9], "by": "a", "dry_run": "yes", "more": 1}, ["more", "ids", "dry_run"]),
            ("replay", {"ids": "12", "source": 5, "reason": "rain", "by": ""}, ["ids", "source", "reason", "by"]),
            ("discard", {"source": "shop", "by": "a"}, ["because"]),
        ],
    )
    async def test_what_is_asked_wrongly_is_told_at_once(
        self, collector: Collector, path: str, body: Any, fields: list[str]
    ) -> None:
        answer = await collector.http.post(f"/api/v1/dead-letters/{path}", json=body)
        assert answer.status_code == 400
        assert [fault["field"] for fault in answer.json()["faults"]] == fields

    @pytest.mark.parametrize("id_", ["x", "99999999999999999999", "77", "%00"])
    async def test_there_is_no_such_letter(self, collector: Collector, id_: str) -> None:
        assert (await collector.http.get(f"/api/v1/dead-letters/{id_}")).status_code == 404


async def test_what_a_source_cannot_use_is_counted_of_it(collector: Collector) -> None:
    await order(collector, [placed("1"), placed("2", what="RETURN")])
    collector.map()
    collector.project()
    await pay(collector, charged())
    found = {one["source"]: one for one in (await collector.get("/api/v1/sources"))["items"]}
    shop, stripe = found["shop"], found["stripe"]
    assert (shop["adapter"], shop["rejected"], shop["dead_letters"], shop["waiting"]) == ("generic", 1, 0, 0)
    assert shop["matched_share"] == 1
    assert (stripe["received"], stripe["waiting"], stripe["matched_share"]) == (0, 1, None)
    assert duties.measure_sources(collector.conn, datetime.now(UTC), {"shop", "stripe"}) == 1
    assert (gauge(metrics.OPEN_LETTERS, "shop"), gauge(metrics.OPEN_LETTERS, "stripe")) == (1, 0)
    assert gauge(metrics.SOURCE_WAITING, "stripe") == 1
    # Whoever sends can name as many sources as he likes.
    duties.measure_sources(collector.conn, datetime.now(UTC), {"stripe"})
    assert gauge(metrics.OPEN_LETTERS, "other") == 1


def gauge(of: Gauge, source: str) -> float:
    (metric,) = of.collect()
    return next(sample.value for sample in metric.samples if sample.labels["source"] == source)


async def test_a_rebuild_keeps_what_was_settled(collector: Collector) -> None:
    await order(collector, [placed("1", order=None), placed("2", order="0")])
    collector.map()
    collector.project()
    _, letter = (await collector.get("/api/v1/dead-letters"))["items"]
    body = {"ids": [letter["id"]], "by": "ann", "because": "x"}
    await collector.http.post("/api/v1/dead-letters/discard", json=body)
    forget(collector.conn, current_definitions=False)
    collector.conn.commit()
    project(collector.projecting, collector.catalogue)
    found = collector.rows("SELECT event_id, settled_as FROM dead_letter ORDER BY event_id")
    assert found == [("1", "discarded"), ("2", None)]


async def test_what_is_mapped_goes_with_the_log_and_what_is_not_stays(collector: Collector) -> None:
    await order(collector, placed("1"))
    await order(collector, placed("2", what="RETURN"))
    collector.map()
    await order(collector, placed("3"))
    until = datetime.now(UTC)
    with collector.conn.transaction():
        gone = collector.conn.execute(load("retention")["drop_source_requests"], {"until": until, "limit": 10}).rowcount
    assert gone == 1
    assert [json.loads(row[4])["id"] for row in kept(collector)] == ["2", "3"]


async def test_several_processes_map_each_request_once(collector: Collector) -> None:
    for number in range(30):
        await order(collector, placed(str(number)))
    with connect(collector.url, "other") as other, other.transaction():
        held = other.execute(load("sources")["waiting"], {"sources": ["shop"], "limit": 10}).fetchall()
        assert len(held) == 10
        assert collector.map() == 20
        assert intake.run_once(other, collector.receivers) == 10
    assert sorted(map(int, collector.ids())) == list(range(30))
    assert collector.map() == 0


async def test_a_thread_maps_what_the_door_took(collector: Collector) -> None:
    told = threading.Event()
    thread = intake.Intake(collector.url, collector.receivers, told.set)
    await order(collector, placed("1"))
    thread.start()
    assert await asyncio.to_thread(told.wait, 20)
    told.clear()
    await order(collector, placed("2"))
    thread.wake()
    assert await asyncio.to_thread(told.wait, 20)
    thread.close()
    assert collector.ids() == ["1", "2"]


def _sampled(collector: Collector, hour: datetime) -> None:
    """Samples of the shop for twelve days up to this hour: ten an hour, but for the last one, in which there were three."""
    with collector.conn.transaction():
        collector.conn.execute("DELETE FROM source_sample")
        for back in range(24 * 12):
            at = hour - timedelta(hours=back)
            sent = (24 * 12 - back) * 10 - (7 if back == 0 else 0)
            collector.conn.execute(
                "INSERT INTO source_sample (slot, source, taken_at, received) VALUES (%s, 'shop', %s, %s)",
                (at, at, sent),
            )


async def test_the_volume_of_a_source_stands_beside_what_is_usual_for_the_hour(collector: Collector) -> None:
    await order(collector, placed("1"))
    collector.map()
    collector.project()
    hour = found = None
    while hour != (hour := datetime.now(UTC).replace(minute=0, second=0, microsecond=0)):
        # Another one may begin in the middle of this.
        _sampled(collector, hour)
        found = await collector.get("/api/v1/sources/shop/volume")
    assert hour is not None
    assert found is not None
    assert len(found["hours"]) == 7 * 24
    last = found["hours"][-1]
    assert (last["t"], last["count"]) == (rfc3339(hour - timedelta(hours=1)), 3.0)
    assert last["usual"] == {"low": 10.0, "median": 10.0, "high": 10.0, "days": 11, "weekday": False}
    assert found["last_day"] == {"hours": 24, "count": 233, "usual": 240}
    unknown = await collector.http.get("/api/v1/sources/nobody/volume")
    assert (unknown.status_code, unknown.json()["title"]) == (404, "there is no such source")


async def test_how_much_a_source_sends_is_told_once_it_is_known(collector: Collector) -> None:
    async def rate() -> dict[str, Any]:
        items = (await collector.get("/api/v1/sources"))["items"]
        found: dict[str, Any] = {one["source"]: one["rate"] for one in items}["shop"]
        return found

    now = datetime.now(UTC)
    await order(collector, placed("1"))
    collector.map()
    collector.project()
    assert (await rate())["per_minute"] is None
    assert source_rates.sample(collector.conn, now - timedelta(hours=2))
    assert not source_rates.sample(collector.conn, now - timedelta(hours=2))
    assert source_rates.sample(collector.conn, now - timedelta(hours=1))
    await order(collector, [placed(str(number)) for number in range(2, 62)])
    collector.map()
    collector.project()
    found = await rate()
    assert 0.9 < found["per_minute"] <= 1.0
    assert found["hours"][-1] == found["per_minute"]
    assert found["hours"][-2] < 0.01
    assert (len(found["hours"]), found["hours"][0]) == (24, None)
    # Of those older than a day one an hour is left, and after five weeks none.
    hour = now.replace(minute=0, second=0, microsecond=0)
    for minutes in (0, 15, 45, 60):
        source_rates.sample(collector.conn, hour + timedelta(days=1, minutes=minutes))
    later = hour + timedelta(days=4)
    assert source_rates.sample(collector.conn, later)
    left = {hour + timedelta(days=1), hour + timedelta(days=1, hours=1), later}
    assert left <= {slot for (slot,) in collector.rows("SELECT DISTINCT slot FROM source_sample")}
    assert collector.rows("SELECT count(*) FROM source_sample WHERE extract(minute FROM slot) <> 0") == [(0,)]
    assert source_rates.sample(collector.conn, now + timedelta(days=60))
    assert collector.rows("SELECT count(DISTINCT slot) FROM source_sample") == [(1,)]
    forget(collector.conn, current_definitions=False)
    assert (await rate())["per_minute"] is None
