# ruff: noqa: F811
"""Who handles what, over HTTP and down to the database: one act on many instances, and what becomes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from slo_rules.instants import rfc3339
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


async def orders(collector: Collector, *numbers: int) -> list[str]:
    """Orders that are stuck; their ids."""
    said = [cloud_event(f"order-{n}", time=ago(10), data={"order_id": f"O-{n}"}) for n in numbers]
    await collector.events(*said, cloud_event("alive", source="sap", type="heartbeat", time=ago(0)))
    collector.project()
    rows = [(await collector.get("/api/v1/instances", key=f"order=O-{n}"))["items"] for n in numbers]
    assert [row["verdict"] for (row,) in rows] == ["stuck"] * len(numbers)
    return [str(row["id"]) for (row,) in rows]


async def act(collector: Collector, act: str, ids: list[str], status: int = 200, **said: Any) -> Any:
    answer = await collector.http.post("/api/v1/instances/acts", json={"act": act, "ids": ids, "by": "jo"} | said)
    assert answer.status_code == status, answer.text
    return answer.json()


async def listed(collector: Collector, **asked: Any) -> list[str]:
    return [item["title"] for item in (await collector.get("/api/v1/instances", sort="title", **asked))["items"]]


async def test_what_is_assigned_is_shown_and_found(collector: Collector) -> None:
    one, two = await orders(collector, 1, 2)
    told = await act(collector, "assign", [one], to="maria", text="you know this one")
    assert (told["done"], told["refused"]) == (1, 0)
    assert await listed(collector, assigned_to="maria") == ["O-1"]
    assert await listed(collector, assigned_to="nobody") == ["O-2"]
    found = await collector.get(f"/api/v1/instances/{one}")
    assert found["handling"]["assigned_to"] == "maria"
    assert [(note["act"], note["by"], note["assigned_to"], note["text"]) for note in found["notes"]] == [
        ("assign", "jo", "maria", "you know this one")
    ]
    assert (await collector.get("/api/v1/assignees"))["items"] == ["maria"]
    await act(collector, "assign", [one, two])
    assert await listed(collector, assigned_to="nobody") == ["O-1", "O-2"]
    assert (await collector.get("/api/v1/assignees"))["items"] == []


async def test_an_acknowledgement_ends_when_the_instance_stands_otherwise(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    await act(collector, "acknowledge", [one])
    assert await listed(collector, acknowledged=True) == ["O-1"]
    assert await listed(collector, acknowledged=False) == []
    await collector.events(
        cloud_event("accepted", source="sap", type="sales_order.created", time=ago(9.5), data={"order_id": "O-1"})
    )
    collector.project()
    assert await listed(collector, acknowledged=True) == []
    (item,) = (await collector.get("/api/v1/instances", acknowledged=False))["items"]
    assert item["handling"] == {"assigned_to": None, "acknowledged_by": None, "acknowledged_at": None}


async def test_an_acknowledgement_can_be_taken_back(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    await act(collector, "acknowledge", [one])
    await act(collector, "unacknowledge", [one])
    assert await listed(collector, acknowledged=True) == []
    notes = (await collector.get(f"/api/v1/instances/{one}"))["notes"]
    assert [note["act"] for note in notes] == ["unacknowledge", "acknowledge"]


async def test_each_instance_is_answered_by_itself_in_the_order_asked(collector: Collector) -> None:
    one, two = await orders(collector, 1, 2)
    await collector.events(cloud_event("off", type="order.cancelled", time=ago(1), data={"order_id": "O-2"}))
    collector.project()
    told = await act(collector, "acknowledge", [two, UNKNOWN, one])
    assert [item["done"] for item in told["items"]] == [False, False, True]
    assert told["items"][0]["faults"][0]["message"] == "the instance is cancelled: there is nothing left to do"
    assert told["items"][1]["faults"][0]["message"] == "there is no such instance"
    assert (await collector.get(f"/api/v1/instances/{two}"))["notes"] == []


async def test_asking_again_with_the_same_request_does_nothing_twice(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    request = str(uuid4())
    await act(collector, "assign", [one], to="maria", request=request)
    await act(collector, "assign", [one], to="lee")
    await act(collector, "assign", [one], to="maria", request=request)
    found = await collector.get(f"/api/v1/instances/{one}")
    assert found["handling"]["assigned_to"] == "lee"
    assert len(found["notes"]) == 2


async def test_many_are_waived_at_once_and_asking_again_logs_the_same_events(collector: Collector) -> None:
    ids = await orders(collector, 1, 2, 3)
    until, request = ago(-24), str(uuid4())
    told = await act(collector, "waive", [*ids, UNKNOWN], text="SAP is mended", until=until, request=request)
    assert [item["done"] for item in told["items"]] == [True, True, True, False]
    await act(collector, "waive", ids, text="SAP is mended", until=until, request=request)
    collector.project()
    assert await listed(collector, verdict="waived") == ["O-1", "O-2", "O-3"]
    assert collector.rows("SELECT count(DISTINCT id), count(*) FROM event WHERE source = 'milepost'") == [(3, 6)]
    assert (await collector.get(f"/api/v1/instances/{ids[0]}"))["waiver"]["by"] == "jo"


async def test_what_was_noted_follows_an_instance_into_the_one_it_is_merged_with(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    await collector.events(
        cloud_event("other", source="sap", type="sales_order.created", time=ago(8), data={"sales_order": "S-1"})
    )
    collector.project()
    (other,) = (await collector.get("/api/v1/instances", key="sales_order=S-1"))["items"]
    await act(collector, "assign", [one], to="maria")
    await act(collector, "comment", [other["id"]], text="whose is this?")
    await collector.events(cloud_event("link", time=ago(7), data={"order_id": "O-1", "sales_order": "S-1"}))
    collector.project()
    (left,) = (await collector.get("/api/v1/instances", key="order=O-1"))["items"]
    assert left["handling"]["assigned_to"] == "maria"
    assert [item["id"] for item in (await collector.get("/api/v1/instances", assigned_to="maria"))["items"]] == [
        left["id"]
    ]
    notes = (await collector.get(f"/api/v1/instances/{left['id']}"))["notes"]
    assert [note["act"] for note in notes] == ["comment", "assign"]
    told = await act(collector, "assign", [one, other["id"]], to="lee")
    assert told["done"] == 2
    assert (await collector.get(f"/api/v1/instances/{left['id']}"))["handling"]["assigned_to"] == "lee"


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, ["act", "ids", "by"]),
        ({"act": "assign", "ids": ["x"], "by": "\u202ejo", "wrong": 1}, ["wrong", "ids", "by"]),
        ({"act": "comment", "ids": [UNKNOWN], "by": "jo"}, ["text"]),
        ({"act": "comment", "ids": [UNKNOWN], "by": "jo", "text": 7, "request": "r"}, ["text", "request"]),
        ({"act": "waive", "ids": [UNKNOWN], "by": "jo"}, ["text", "until"]),
        ({"act": "assign", "ids": [UNKNOWN] * 501, "by": "jo", "until": "x"}, ["until", "ids"]),
        ({"act": ["assign"], "ids": [[]], "by": {}}, ["act", "ids", "by"]),
    ],
)
async def test_every_fault_of_an_act_is_named_at_once(collector: Collector, said: Any, fields: list[str]) -> None:
    answer = await collector.http.post("/api/v1/instances/acts", json=said)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["faults"]] == fields


async def test_a_view_is_shared_replaced_only_when_that_is_said_and_dropped(collector: Collector) -> None:
    path, said = "/api/v1/views/Late in EMEA", {"query": "verdict=stuck&q=EMEA", "by": "jo"}
    assert (await collector.http.put(path, json=said)).status_code == 200
    other = said | {"query": "verdict=failed"}
    assert (await collector.http.put(path, json=other)).status_code == 409
    assert (await collector.http.put(path, json=other | {"replace": True})).status_code == 200
    (view,) = (await collector.get("/api/v1/views"))["items"]
    assert (view["name"], view["query"], view["by"]) == ("Late in EMEA", "verdict=failed", "jo")
    assert (await collector.http.delete(path)).status_code == 204
    assert (await collector.http.delete(path)).status_code == 404
    assert (await collector.get("/api/v1/views"))["items"] == []


async def test_every_fault_of_a_view_is_named_at_once(collector: Collector) -> None:
    answer = await collector.http.put("/api/v1/views/x", json={"query": "?a=b", "replace": "yes", "more": 1})
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["faults"]] == ["more", "by", "replace", "query"]


async def test_who_assigns_what_another_has_assigned_meanwhile_is_told_so(collector: Collector) -> None:
    one, two = await orders(collector, 1, 2)
    await act(collector, "assign", [one], by="sam", to="maria")
    late = {"to": "ann", "seen": {one: None, two: None}, "request": str(uuid4())}
    told = await act(collector, "assign", [one, two], **late)
    assert [item["done"] for item in told["items"]] == [False, True]
    assert told["items"][0]["faults"] == [{"field": "seen", "message": "sam has assigned it to maria meanwhile"}]
    assert await listed(collector, assigned_to="maria") == ["O-1"]
    assert await listed(collector, assigned_to="ann") == ["O-2"]
    again = await act(collector, "assign", [one, two], **late)
    assert [item["done"] for item in again["items"]] == [False, True], "the same request is answered the same"
    meant = await act(collector, "assign", [one], to="ann", seen={one: "maria"})
    assert meant["done"] == 1
    await act(collector, "assign", [one], by="sam")
    (item,) = (await act(collector, "assign", [one], to="bob", seen={one: "ann"}))["items"]
    assert item["faults"][0]["message"] == "sam has left it to nobody meanwhile"
    same = await act(collector, "assign", [two], by="sam", to="ann", seen={two: None})
    assert same["done"] == 1, "both meant the same"
    unaware = await act(collector, "assign", [two], to="maria")
    assert unaware["done"] == 1, "without what was seen the last word counts"


async def test_who_acknowledges_what_another_has_acknowledged_meanwhile_is_told_so(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    await act(collector, "acknowledge", [one], by="sam", seen={one: None})
    (item,) = (await act(collector, "acknowledge", [one], seen={one: None}))["items"]
    assert item["faults"] == [{"field": "seen", "message": "sam has acknowledged it meanwhile"}]
    found = await collector.get(f"/api/v1/instances/{one}")
    assert found["handling"]["acknowledged_by"] == "sam"
    assert [note["by"] for note in found["notes"]] == ["sam"]
    assert (await act(collector, "acknowledge", [one], seen={one: "sam"}))["done"] == 1
    await act(collector, "unacknowledge", [one])
    assert (await act(collector, "acknowledge", [one], seen={one: "jo"}))["done"] == 1, "nobody's is replaced"


async def test_who_waives_what_another_has_waived_meanwhile_is_told_so(collector: Collector) -> None:
    one, two = await orders(collector, 1, 2)
    terms = {"text": "SAP is mended", "until": (datetime.now(UTC) + timedelta(hours=2)).isoformat()}
    await act(collector, "waive", [one], by="sam", **terms)
    collector.project()
    told = await act(collector, "waive", [one, two], seen={one: None, two: None}, **terms)
    assert [item["done"] for item in told["items"]] == [False, True]
    assert told["items"][0]["faults"] == [{"field": "seen", "message": "sam has waived it meanwhile"}]
    collector.project()
    assert (await collector.get(f"/api/v1/instances/{one}"))["waiver"]["by"] == "sam"
    assert (await act(collector, "waive", [one], by="sam", seen={one: None}, **terms))["done"] == 1, "his own"
    assert (await act(collector, "waive", [one], seen={one: "sam"}, **terms))["done"] == 1, "what was seen"
    collector.project()
    path = f"/api/v1/instances/{one}/waiver"
    answer = await collector.http.request("DELETE", path, json={"by": "maria", "reason": "it works again"})
    assert answer.status_code == 202
    collector.project()
    (item,) = (await act(collector, "waive", [one], seen={one: "jo"}, **terms))["items"]
    assert item["faults"] == [{"field": "seen", "message": "maria has withdrawn the waiver meanwhile"}]
    assert (await act(collector, "waive", [one], seen={one: None}, **terms))["done"] == 1, (
        "it is not waived, as was seen"
    )
    collector.project()
    assert (await act(collector, "waive", [one], by="ann", **terms))["done"] == 1, "without what was seen"


async def test_of_two_who_assign_at_once_one_is_told(collector: Collector) -> None:
    (one,) = await orders(collector, 1)
    told = await asyncio.gather(
        *(act(collector, "assign", [one], by=name, to=name, seen={one: None}) for name in ("ann", "bob", "cas"))
    )
    assert sorted(each["done"] for each in told) == [0, 0, 1]


@pytest.mark.parametrize("seen", [[], {"x": None}, {UNKNOWN: 3}, "maria"])
async def test_what_was_seen_has_to_be_names_by_id(collector: Collector, seen: Any) -> None:
    told = await act(collector, "assign", [UNKNOWN], 400, to="ann", seen=seen)
    assert [fault["field"] for fault in told["faults"]] == ["seen"]
    assert (await act(collector, "comment", [UNKNOWN], 400, text="x", seen={}))["faults"][0]["field"] == "seen"
