"""An instance that cannot be read, in every answer: the API tells of it and of the others, and never ends in a 500."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collector.catalogue import load_catalogue
from collector.comparison import open_progress
from collector.erasure import forgetting
from collector.query.unread import EXPLANATION, LOST, MADE_ANEW, WHY
from collector.sampling import Window, newest_events, newest_instances
from tests.integration.fix_doors import Collector, cloud_event, collector, running  # noqa: F401

DAMAGE = {
    "empty": b"",
    "cut off": None,
    "of another type": msgspec.msgpack.encode({"first_at": "yesterday"}),
    "of a later release": msgspec.msgpack.encode([1, 2, {"won": [1, 2, 3]}, "keys are a text now"]),
    "of nobody": msgspec.msgpack.encode([1, 2]),
    "noise": b"\xc1\x00\xff rubbish",
}
ACT = {"by": "ann", "reason": "known"}
OBJECTIVE = "/api/v1/objectives/orders-accepted-in-time"


@pytest.fixture
async def three(database_url: str) -> AsyncIterator[Collector]:
    """Three orders of one customer, overdue; the order B can be damaged."""
    async with running(database_url) as made:
        at = datetime.now(UTC) - timedelta(hours=6)
        for name in "ABC":
            data = {"order_id": name, "account_id": "ACME-7", "region": "EMEA", "amount": 10, "currency": "EUR"}
            event = cloud_event(f"e{name}", source="crm", type="order.created", time=at.isoformat(), data=data)
            assert (await made.events(event)).status_code < 300
        now = datetime.now(UTC).isoformat()
        await made.events(cloud_event("alive", source="sap", type="heartbeat", time=now, data={}))
        made.project()
        made.conn.execute("UPDATE instance SET next_check_at = NULL")
        made.conn.commit()
        yield made


def damage(made: Collector, packed: bytes | None, order: str = "B") -> str:
    """Write that in the place of what is stored of an order, or half of what is; its id."""
    with made.conn.transaction():
        row = made.conn.execute("SELECT id, progress FROM instance WHERE title = %s", (order,)).fetchone()
        assert row is not None
        stored = bytes(row[1])
        written = stored[: len(stored) // 2] if packed is None else packed
        made.conn.execute("UPDATE instance SET progress = %s WHERE id = %s", (written, row[0]))
    return str(row[0])


def lose_its_events(made: Collector, order: str = "B") -> None:
    with made.conn.transaction():
        made.conn.execute("DELETE FROM event WHERE id = %s", (f"e{order}",))


PATHS = (
    "/api/v1/instances",
    "/api/v1/instances?verdict=stuck&sort=-value",
    "/api/v1/instances?q=B",
    "/api/v1/instances?key=order%3DB",
    "/api/v1/instances?attribute=region!%3DAPAC",
    "/api/v1/instances?due_within_seconds=86400&sort=chance",
    "/api/v1/instances/export",
    "/api/v1/instances/export?format=csv&key=ACME-7",
    "/api/v1/instances/{id}",
    "/api/v1/instances/{id}/forecast",
    "/api/v1/accounts/account/ACME-7",
    "/api/v1/differences?verdict=stuck",
    "/api/v1/outlook",
    "/api/v1/outlook?workflow=order-to-cash",
    "/api/v1/forecast?workflow=order-to-cash",
    "/api/v1/workflows/order-to-cash/flow",
    "/api/v1/overview",
    "/api/v1/search?q=B",
    "/api/v1/workflows",
    "/api/v1/objectives",
    OBJECTIVE,
    f"{OBJECTIVE}/contributors",
    f"{OBJECTIVE}/contributors?outcome=good",
    f"{OBJECTIVE}/differences",
    "/api/v1/incidents",
    "/api/v1/region",
    "/api/v1/dead-letters",
    "/api/v1/sources",
    "/api/v1/workflows/order-to-cash/flow/comparison?where=account%3DACME-7&against_where=region%3DEMEA",
    f"{OBJECTIVE}/periods",
)


@pytest.mark.parametrize("packed", DAMAGE.values(), ids=DAMAGE.keys())
async def test_every_answer_goes_on_for_the_others(three: Collector, packed: bytes | None) -> None:
    id_ = damage(three, packed)
    for gone in (False, True):
        if gone:
            lose_its_events(three)
        for path in PATHS:
            answer = await three.http.get(path.format(id=id_))
            assert answer.status_code == 200, (path, answer.text)
        page = await three.get("/api/v1/instances", sort="title")
        assert [item["title"] for item in page["items"]] == ["A", "B", "C"]
        assert [item["unreadable"] is None for item in page["items"]] == [True, False, True]
        at = page["items"][1]
        assert (at["explanation"], at["keys"]) == (EXPLANATION, [{"namespace": "order", "value": "B"}])
        assert (at["verdict"], at["value"]) == ("stuck", {"amount": 10.0, "currency": "EUR"})


@pytest.mark.parametrize("packed", DAMAGE.values(), ids=DAMAGE.keys())
async def test_its_page_is_whole_while_the_log_has_its_events(three: Collector, packed: bytes | None) -> None:
    path = f"/api/v1/instances/{damage(three, b'')}"
    damage(three, packed)
    found = await three.get(path)
    sound = await three.get(f"/api/v1/instances/{(await three.get('/api/v1/search', q='A'))['items'][0]['id']}")
    assert found["unreadable"] == {"why": WHY, "what_to_do": MADE_ANEW}
    assert "milepost rebuild" in MADE_ANEW
    assert found["explanation"] == EXPLANATION
    assert [step["state"] for step in found["journey"]] == [step["state"] for step in sound["journey"]]
    assert [key["value"] for key in found["keys"]] == ["ACME-7", "B"]
    assert [one["value"] for one in found["beside"]] == ["ACME-7"]
    assert (found["attributes"], found["journey"] == [], len(found["events"])) == ({"region": "EMEA"}, False, 1)
    past = await three.get(path, known_at=datetime.now(UTC).isoformat())
    assert (past["unreadable"], past["attributes"]) == (None, {"region": "EMEA"})


@pytest.mark.parametrize("packed", DAMAGE.values(), ids=DAMAGE.keys())
async def test_where_the_log_no_longer_has_them_what_is_known_is_told_and_what_to_do(
    three: Collector, packed: bytes | None
) -> None:
    id_ = damage(three, packed)
    act = {"ids": [id_], "act": "comment", "by": "ann", "text": "looked at"}
    assert (await three.http.post("/api/v1/instances/acts", json=act)).status_code == 200
    lose_its_events(three)
    found = await three.get(f"/api/v1/instances/{id_}")
    assert found["unreadable"] == {"why": WHY, "what_to_do": LOST}
    assert "milepost rebuild --from-what-is-left" in LOST
    assert (found["verdict"], found["title"], found["events_gone"]) == ("stuck", "B", 1)
    assert (found["journey"], found["arithmetic"], found["events"]) == ([], [], [])
    (key,) = found["keys"]
    assert (key["namespace"], key["value"], key["joins"], key["at"]) == ("order", "B", True, None)
    assert [note["text"] for note in found["notes"]] == ["looked at"]
    assert [change["verdict"] for change in found["history"]][-1] == "stuck"
    past = await three.http.get(f"/api/v1/instances/{id_}", params={"known_at": datetime.now(UTC).isoformat()})
    assert (past.status_code, "no longer in the log" in past.text) == (422, True)


@pytest.mark.parametrize("packed", DAMAGE.values(), ids=DAMAGE.keys())
async def test_acts_on_it_say_why_they_can_not_be_done_and_those_that_need_nothing_of_it_are(
    three: Collector, packed: bytes | None
) -> None:
    id_ = damage(three, packed)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waived = await three.http.post(f"/api/v1/instances/{id_}/waiver", json=ACT | {"until": until})
    assert waived.status_code == 409, waived.text
    withdrawn = await three.http.request("DELETE", f"/api/v1/instances/{id_}/waiver", json=ACT)
    wrong = ACT | {"source": "crm", "event": "eB"}
    rejected = await three.http.post(f"/api/v1/instances/{id_}/rejected-joins", json=wrong)
    moved = await three.http.post(f"/api/v1/instances/{id_}/version", json=ACT)
    for answer in (waived, withdrawn, rejected, moved):
        assert answer.status_code == 409, answer.text
        assert WHY in answer.text
        assert "milepost rebuild" in answer.text
    others = [row["id"] for row in (await three.get("/api/v1/instances"))["items"]]
    both = {"ids": others, "act": "waive", "by": "ann", "text": "known", "until": until}
    done = (await three.http.post("/api/v1/instances/acts", json=both)).json()["items"]
    assert [WHY in str(one.get("faults")) for one in done if one["id"] == id_] == [True]
    assert [bool(one.get("faults")) for one in done if one["id"] != id_] == [False, False]
    for said in ({"act": "acknowledge"}, {"act": "assign", "to": "maria"}):
        noted = await three.http.post("/api/v1/instances/acts", json=said | {"ids": [id_], "by": "ann"})
        assert noted.status_code == 200, noted.text
        assert not noted.json()["items"][0].get("faults")
    (item,) = (await three.get("/api/v1/instances", assigned_to="maria"))["items"]
    assert (item["title"], item["handling"]["acknowledged_by"]) == ("B", "ann")
    assert three.letters() == []


async def test_the_export_has_it_with_the_keys_that_are_known(three: Collector) -> None:
    damage(three, b"")
    text = (await three.http.get("/api/v1/instances/export", params={"sort": "title"})).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["title"], row["keys"]) for row in rows] == [
        ("A", "account=ACME-7; order=A"),
        ("B", "order=B"),
        ("C", "account=ACME-7; order=C"),
    ]


@pytest.mark.parametrize("packed", DAMAGE.values(), ids=DAMAGE.keys())
async def test_what_is_read_beside_the_service_passes_over_it(three: Collector, packed: bytes | None) -> None:
    damage(three, packed)
    catalogue = load_catalogue(three.conn)
    found = [progress for _, progress in newest_instances(three.conn, catalogue, Window(10))]
    assert (len(found), found.count(None)) == (3, 1)
    with three.conn.transaction():
        assert len(list(open_progress(three.conn, "order-to-cash", [1]))) == 2


def secrets_left(made: Collector, secret: bytes) -> list[Any]:
    with made.conn.transaction():
        found = made.conn.execute("SELECT title, words, progress, id FROM instance").fetchall()
    return [
        row for row in found if any(secret in (one.encode() if isinstance(one, str) else bytes(one)) for one in row[:3])
    ]


@pytest.mark.parametrize("lost", [False, True])
async def test_forgetting_somebody_goes_on_and_leaves_nothing_of_him_in_what_cannot_be_read(
    three: Collector, lost: bool
) -> None:
    made, at = three, datetime.now(UTC) - timedelta(hours=6)
    data = {"order_id": "SO-SECRET-1", "account_id": "ACME-7"}
    event = cloud_event("eS", source="crm", type="order.created", time=at.isoformat(), data=data)
    await made.events(event)
    made.project()
    damage(made, b"\xc1 of SO-SECRET-1", "SO-SECRET-1")
    if lost:
        lose_its_events(made, "S")
    damage(made, b"\xc1", "B")
    with made.conn.transaction():
        made.conn.execute("UPDATE projection SET received_at = clock_timestamp(), swept_to = clock_timestamp()")
    catalogue = load_catalogue(made.conn)
    before = len(made.rows("SELECT 1 FROM instance"))
    found = forgetting.forget(made.conn, catalogue, "order", "SO-SECRET-1", datetime.now(UTC), dry_run=False)
    assert found.counts["own instances"] == 1
    assert secrets_left(made, b"SECRET") == secrets_left(made, b"secret") == []
    assert made.rows("SELECT 1 FROM instance_key WHERE value LIKE '%SECRET%'") == []
    assert len(made.rows("SELECT 1 FROM instance")) == before
    named = (await made.get("/api/v1/instances", key="order=" + found.subject.pseudonym))["items"]
    assert [item["unreadable"] is None for item in named] == [not lost]
    # The others of the account, of whom one cannot be read, can be forgotten as well.
    forgetting.forget(made.conn, catalogue, "account", "ACME-7", datetime.now(UTC), dry_run=False)


async def test_an_event_or_a_span_that_cannot_be_read_is_shown_without_what_it_says(three: Collector) -> None:
    damage(three, b"")
    with three.conn.transaction():
        three.conn.execute("UPDATE event SET body = %s WHERE id = 'eB'", (b'{"data": {"ord',))
        three.conn.execute("UPDATE event SET body = %s WHERE id = 'eC'", (b"[1]",))
    for title, told in (("B", LOST), ("C", None)):
        (hit,) = (await three.get("/api/v1/search", q=title))["items"]
        found = await three.get(f"/api/v1/instances/{hit['id']}")
        assert [(event["id"], event["data"]) for event in found["events"]] == [(f"e{title}", None)]
        assert (found["unreadable"] or {}).get("what_to_do") == told
        past = await three.http.get(
            f"/api/v1/instances/{hit['id']}", params={"known_at": datetime.now(UTC).isoformat()}
        )
        assert (past.status_code, "cannot be read" in past.text) == (422, True)
    assert len(list(newest_events(three.conn, Window(10)))) == 2
