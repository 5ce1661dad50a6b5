# ruff: noqa: F811
"""What people do with incidents and silences over HTTP: good, hostile, and in each other's way."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from alerting import incidents
from slo_rules.instants import rfc3339, to_micros
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow

UNKNOWN = "00000000-0000-4000-8000-000000000000"
JSON = {"content-type": "application/json"}


def ahead(hours: float) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(hours=hours))


def look(collector: Collector) -> None:
    incidents.run_once(collector.conn, to_micros(datetime.now(UTC)), [])


async def burning(collector: Collector) -> str:
    """The id of an incident that two stuck orders have opened."""
    orders = [cloud_event(f"order-{n}", time=ahead(-10), data={"order_id": f"O-{n}"}) for n in (1, 2)]
    await collector.events(*orders, cloud_event("alive", source="sap", type="heartbeat", time=ahead(0)))
    collector.project()
    look(collector)
    (incident,) = (await collector.get("/api/v1/incidents"))["items"]
    assert (incident["verdict"], incident["count"]) == ("stuck", 2)
    return str(incident["id"])


async def do(collector: Collector, id_: str, act: str, status: int = 200, **said: Any) -> Any:
    answer = await collector.http.post(f"/api/v1/incidents/{id_}/{act}", json={"by": "jo"} | said)
    assert answer.status_code == status, answer.text
    return answer.json()


def fields(faults: Any) -> list[str]:
    """The fields that an answer finds fault with."""
    return [fault["field"] for fault in faults["faults"]]


async def silence(collector: Collector, status: int = 201, **said: Any) -> Any:
    whole = {"by": "jo", "reason": "migration", "match": {"domain": "orders"}, "until": ahead(1)} | said
    answer = await collector.http.post("/api/v1/silences", json=whole)
    assert answer.status_code == status, answer.text
    return answer.json()


async def end(collector: Collector, id_: str, **said: Any) -> httpx.Response:
    return await collector.http.request("DELETE", f"/api/v1/silences/{id_}", json=said)


async def test_every_act_is_done_and_stands_in_the_history_with_who_did_it(collector: Collector) -> None:
    id_ = await burning(collector)
    told = await do(collector, id_, "acknowledge", until=ahead(2))
    assert (told["did"], told["by"], told["id"]) == ("acknowledged", "jo", id_)
    await do(collector, id_, "withdraw", by="sam")
    await do(collector, id_, "assign", to="maria")
    await do(collector, id_, "comment", text="SAP says the queue is full <b>")
    await do(collector, id_, "link", url="https://changes.example.com/7", title="CHG-7")
    await do(collector, id_, "postpone", until=ahead(1), reason="after lunch")
    await do(collector, id_, "resolve", reason="we live with it")
    look(collector)
    found = await collector.get(f"/api/v1/incidents/{id_}")
    assert (found["status"], found["assignee"]) == ("resolved", "maria")
    history = [(one["what"], one["by"]) for one in found["timeline"] if one["by"]]
    assert history == [
        ("acknowledged", "jo"),
        ("unacknowledged", "sam"),
        ("assigned", "jo"),
        ("commented", "jo"),
        ("linked", "jo"),
        ("postponed", "jo"),
        ("called_resolved", "jo"),
    ]
    assert [one["id"] for one in (await collector.get("/api/v1/incidents", q="queue is full"))["items"]] == [id_]


async def test_all_faults_of_an_act_are_named_at_once_and_nothing_is_done(collector: Collector) -> None:
    id_ = await burning(collector)
    told = await do(collector, id_, "postpone", 400, by=" ", until=ahead(24 * 15), why="x")
    assert set(fields(told)) == {"by", "until", "reason", "why"}
    assert fields(await do(collector, id_, "link", 400, url="javascript:alert(1)", title="x")) == ["url"]
    assert fields(await do(collector, id_, "acknowledge", 400, until=ahead(-1))) == ["until"]
    assert fields(await do(collector, id_, "assign", 400, to=["maria"])) == ["to"]
    assert fields(await do(collector, id_, "comment", 400, text="x" * 5000)) == ["text"]
    found = await collector.get(f"/api/v1/incidents/{id_}")
    assert [one["what"] for one in found["timeline"]] == ["opened"]


@pytest.mark.parametrize("id_", [UNKNOWN, "nonsense", "%00", "1' OR '1'='1"])
async def test_what_is_not_there_is_not_found_and_other_faults_are_named_too(collector: Collector, id_: str) -> None:
    assert fields(await do(collector, id_, "resolve", 404)) == ["id", "reason"]
    ended = await end(collector, id_)
    assert ended.status_code == 404
    assert fields(ended.json()) == ["id", "by"]


async def test_what_stands_in_the_way_is_said_and_of_two_at_once_one_is_done(collector: Collector) -> None:
    id_ = await burning(collector)
    path = f"/api/v1/incidents/{id_}/resolve"
    said = {"by": "jo", "reason": "x"}
    answers = await asyncio.gather(*(collector.http.post(path, json=said) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert "has called it resolved already" in next(one.text for one in answers if one.status_code == 409)
    look(collector)
    assert fields(await do(collector, id_, "acknowledge", 409)) == ["id"]
    assert fields(await do(collector, id_, "withdraw", 409)) == ["id"]
    await do(collector, id_, "comment", text="what is over can still be spoken of")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b'"by"', JSON, 400),
        (b'{"by": "\xff"}', JSON, 400),
        (b'{"by": "\\ud800"}', JSON, 400),
        (b'{"by": "a\\u0000b", "text": "x"}', JSON, 400),
        (b'{"by": "jo", "text": {"a": 1}}', JSON, 400),
        (b"[" * 10_000, JSON, 400),
        (b'{"by": "' + b"x" * 20_000 + b'"}', JSON, 413),
        (b'{"by": "jo", "text": "x"}', {"content-type": "text/plain"}, 415),
        (b'{"by": "jo", "text": "x"}', {}, 415),
    ],
)
async def test_a_hostile_body_is_refused_and_nothing_is_written(
    collector: Collector, body: bytes, headers: dict[str, str], status: int
) -> None:
    id_ = await burning(collector)
    answer = await collector.http.post(f"/api/v1/incidents/{id_}/comment", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    answer = await collector.http.post("/api/v1/silences", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert collector.rows("SELECT count(*) FROM incident_event WHERE what <> 'opened'") == [(0,)]
    assert collector.rows("SELECT count(*) FROM silence") == [(0,)]


async def test_a_silence_is_listed_with_its_state_and_can_be_ended_once(collector: Collector) -> None:
    now = await silence(collector)
    later = await silence(collector, since=ahead(1), until=ahead(2), owner="maria", match={"severity": ["info"]})
    listed = (await collector.get("/api/v1/silences"))["items"]
    assert [(one["id"], one["status"], one["owner"]) for one in listed] == [
        (later["id"], "pending", "maria"),
        (now["id"], "active", "jo"),
    ]
    assert (await end(collector, now["id"], by="sam")).json()["ended_by"] == "sam"
    again = await end(collector, now["id"], by="sam")
    assert again.status_code == 409
    # One that has not begun can be ended, too.
    assert (await end(collector, later["id"], by="sam")).status_code == 200
    listed = (await collector.get("/api/v1/silences"))["items"]
    assert {(one["status"], one["ended_by"]) for one in listed} == {("over", "sam")}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"match": {}}, {"match"}),
        ({"match": None}, {"match"}),
        ({"match": "everything"}, {"match"}),
        ({"match": {"colour": "red"}}, {"match.colour"}),
        ({"match": {"domain": "a\0b"}}, {"match.domain"}),
        ({"match": {"attributes": {"ti\0er": "gold"}}}, {"match.attributes.ti\0er"}),
        ({"match": {"domain": {"in": [["a"]]}}}, {"match.domain", "match.domain.in[0]"}),
        ({"until": ahead(24 * 31)}, {"until"}),
        (
            {"until": "tomorrow", "since": "2026-01-01T00:00:00Z", "reason": "", "who": 1},
            {"until", "since", "reason", "who"},
        ),
        ({"since": ahead(3), "until": ahead(2)}, {"until"}),
    ],
)
async def test_a_silence_that_is_none_is_refused_with_all_its_faults(
    collector: Collector, said: dict[str, Any], wrong: set[str]
) -> None:
    assert set(fields(await silence(collector, 400, **said))) == wrong
    assert collector.rows("SELECT count(*) FROM silence") == [(0,)]


async def test_an_act_says_in_the_description_of_the_api_what_it_needs(collector: Collector) -> None:
    paths = (await collector.get("/openapi.json"))["paths"]
    body = paths["/api/v1/incidents/{id}/postpone"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["by", "until", "reason"]
    assert json.dumps(paths["/api/v1/silences/{id}"]["delete"]["responses"]).count("description") >= 3
