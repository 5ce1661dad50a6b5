# ruff: noqa: F811
"""Waiving over HTTP and at a terminal, down to the log, the projection, alerting and the past."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting import incidents
from alerting.route import Route
from collector.ingest.files import open_source
from collector.ingest.importing import fingerprint, import_records, read_records
from collector.rebuild import fingerprints, forget
from collector.store.database import connect
from slo_rules.acts import ACTS, JOIN_ACCEPTED, JOIN_REJECTED, WAIVED, WITHDRAWN
from slo_rules.durations import SECOND
from slo_rules.instants import rfc3339, to_micros
from tests.acceptance.process import COMMAND, environment
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow


def soon(hours: float = 24) -> str:
    return rfc3339(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours))


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


GOOD = {"by": "jo", "reason": "SAP is being mended", "until": soon()}


async def orders(collector: Collector, *numbers: int, hours: float = 10) -> list[str]:
    """Orders that are stuck; their ids."""
    said = [
        cloud_event(f"order-{n}", time=ago(hours), data={"order_id": f"O-{n}", "amount": 10, "currency": "EUR"})
        for n in numbers
    ]
    await collector.events(*said, cloud_event("alive", source="sap", type="heartbeat", time=ago(0)))
    collector.project()
    rows = [(await collector.get("/api/v1/instances", key=f"order=O-{n}"))["items"] for n in numbers]
    assert [row["verdict"] for (row,) in rows] == ["stuck" if hours > 4 else "on_track"] * len(numbers)
    return [str(row["id"]) for (row,) in rows]


async def say(collector: Collector, id_: str, said: Any, method: str = "POST", **headers: str) -> Any:
    return await collector.http.request(
        method, f"/api/v1/instances/{id_}/waiver", json=said, headers={"content-type": "application/json"} | headers
    )


async def test_a_waiver_from_the_act_to_its_end(collector: Collector) -> None:
    (id_,) = await orders(collector, 1)
    answer = await say(collector, id_, GOOD)
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert said["waiver"] == GOOD | {"at": said["waiver"]["at"]}
    assert "applied" in said["in_force"]
    collector.project()
    found = await collector.get(f"/api/v1/instances/{id_}")
    assert (found["verdict"], found["reason"], found["stuck_since"]) == ("waived", "waived", None)
    assert found["waiver"] == said["waiver"] | {"verdict_beneath": "stuck", "reason_beneath": "overdue"}
    assert (found["waiting_for"], found["owner"]) == ("order_accepted", "erp-platform")
    assert "Waived by jo until" in found["explanation"]
    assert "Without that it would be stuck" in found["explanation"]
    assert [(one["source"], one["type"]) for one in found["events"]][-1] == ("milepost", "milepost.waived")
    assert [(one["verdict_from"], one["verdict"]) for one in found["history"]][-1] == ("stuck", "waived")
    assert (await collector.get("/api/v1/instances", verdict="waived"))["total"] == 1
    overview = await collector.get("/api/v1/overview")
    (domain,) = (one for one in overview["domains"] if one["domain"] == "orders")
    assert (domain["open"], domain["stuck"], domain["waived"], domain["value_at_risk"]) == (1, 0, 1, [])
    assert "milepost" not in [one["source"] for one in overview["sources"]]
    end = to_micros(datetime.fromisoformat(GOOD["until"]))
    collector.projector.sweep(collector.projecting, end - 1)
    assert (await collector.get(f"/api/v1/instances/{id_}"))["verdict"] == "waived"
    collector.projector.sweep(collector.projecting, end)
    found = await collector.get(f"/api/v1/instances/{id_}")
    assert (found["verdict"], found["waiver"]) == ("stuck", None)
    assert [(one["verdict"], one["at"]) for one in found["history"]][-1] == ("stuck", GOOD["until"])


async def test_a_waiver_can_be_changed_and_withdrawn(collector: Collector) -> None:
    (id_,) = await orders(collector, 1)
    for until in (soon(2), soon(48)):
        assert (await say(collector, id_, GOOD | {"until": until})).status_code == 202
        collector.project()
        assert (await collector.get(f"/api/v1/instances/{id_}"))["waiver"]["until"] == until
    answer = await say(collector, id_, {"by": "ann", "reason": "it matters after all"}, "DELETE")
    assert (answer.status_code, answer.json()["waiver"]) == (202, None)
    collector.project()
    found = await collector.get(f"/api/v1/instances/{id_}")
    assert (found["verdict"], found["waiver"]) == ("stuck", None)
    assert found["events"][-1]["data"]["by"] == "ann"
    again = await say(collector, id_, {"by": "ann", "reason": "once more"}, "DELETE")
    assert (again.status_code, again.json()["faults"]) == (
        409, [{"field": "id", "message": "the instance is not waived"}],
    )  # fmt: skip


async def test_a_rebuild_and_the_past_know_of_it(collector: Collector) -> None:
    (id_,) = await orders(collector, 1)
    before = rfc3339(datetime.now(UTC))
    await asyncio.gather(*(say(collector, id_, GOOD | {"by": f"person {n}"}) for n in range(3)))
    collector.project()
    now = await collector.get(f"/api/v1/instances/{id_}")
    known = fingerprints(collector.conn)
    forget(collector.conn, current_definitions=False)
    while not collector.projector.cycle(collector.projecting).caught_up:
        pass
    assert fingerprints(collector.conn) == known
    for name in ("known_at", "as_of"):
        assert (await collector.get(f"/api/v1/instances/{id_}", **{name: before}))["verdict"] == "stuck"
    assert (await collector.get(f"/api/v1/instances/{id_}", as_of=now["waiver"]["at"]))["verdict"] == "waived"
    later = rfc3339(datetime.now(UTC))
    collector.project()
    found = await collector.get(f"/api/v1/instances/{id_}", known_at=later)
    assert (found["verdict"], found["waiver"]) == ("waived", now["waiver"])
    page = await collector.get("/api/v1/instances", known_at=later, verdict="waived")
    assert [(row["id"], row["waiver"]) for row in page["items"]] == [(id_, now["waiver"])]


async def test_alerting_leaves_the_waived_alone_and_comes_back(collector: Collector) -> None:
    ids = await orders(collector, 1, 2)
    with connect(collector.url, "alerting") as conn:
        clock = to_micros(datetime.now(UTC))

        def look() -> list[tuple[Any, ...]]:
            nonlocal clock
            clock += 20 * SECOND
            incidents.run_once(conn, clock, list[Route]())
            return collector.rows("SELECT status, count FROM incident ORDER BY opened_at")

        assert look() == [("firing", 2)]
        await say(collector, ids[0], GOOD)
        collector.project()
        assert look() == [("firing", 1)]
        await say(collector, ids[1], GOOD)
        collector.project()
        assert look() == [("resolved", 1)]
        (*_, (what, detail)) = collector.rows("SELECT what, detail FROM incident_event ORDER BY id")
        assert (what, detail) == ("resolved", "waived")
        assert (await collector.get(f"/api/v1/instances/{ids[0]}"))["incidents"] == []
        collector.projector.sweep(collector.projecting, to_micros(datetime.fromisoformat(GOOD["until"])))
        assert look() == [("resolved", 1), ("firing", 2)]


async def test_what_is_late_and_waived_is_neutral_and_shown(collector: Collector) -> None:
    (id_,) = await orders(collector, 1)

    async def shown() -> tuple[int, int, int]:
        items = (await collector.get("/api/v1/objectives"))["items"]
        (one,) = [one for one in items if one["name"] == "orders-accepted-in-time"]
        return one["good"], one["bad"], one["waived"]

    assert await shown() == (0, 1, 0)
    await say(collector, id_, GOOD)
    collector.project()
    assert await shown() == (0, 0, 1)
    await say(collector, id_, {"by": "jo", "reason": "the customer asks for it"}, "DELETE")
    collector.project()
    assert await shown() == (0, 1, 0)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, {"by", "reason", "until"}),
        (GOOD | {"until": ago(1), "reason": " ", "by": "x" * 300}, {"by", "reason", "until"}),
        (GOOD | {"reason": "\x00", "verdict": "completed", "key": "order=O-2"}, {"reason", "verdict", "key"}),
        (GOOD | {"until": None, "by": ["jo"], "reason": {"$": 1}}, {"by", "reason", "until"}),
        (GOOD | {"by": "\u202eoj"}, {"by"}),
    ],
)
async def test_every_fault_is_named_and_nothing_is_written(collector: Collector, said: Any, fields: set[str]) -> None:
    (id_,) = await orders(collector, 1)
    logged = collector.ids()
    answer = await say(collector, id_, said)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert {fault["field"] for fault in answer.json()["faults"]} == fields
    for unknown in ("no-id", "00000000-0000-4000-8000-000000000000", "%00", "..%2f"):
        answer = await say(collector, unknown, said)
        assert answer.status_code == 404, unknown
        assert {fault["field"] for fault in answer.json().get("faults", [])} in ({"id"} | fields, set())
    assert collector.ids() == logged


async def test_what_is_finished_cannot_be_waived(collector: Collector) -> None:
    (id_,) = await orders(collector, 1)
    await collector.events(cloud_event("gone", type="order.cancelled", data={"order_id": "O-1"}))
    collector.project()
    answer = await say(collector, id_, GOOD)
    assert (answer.status_code, answer.json()["title"]) == (
        409,
        "id: the instance is cancelled: there is nothing to waive",
    )
    answer = await say(collector, id_, GOOD | {"reason": ""})
    assert (answer.status_code, [fault["field"] for fault in answer.json()["faults"]]) == (400, ["id", "reason"])


@pytest.mark.parametrize(
    ("content", "type_", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"by": "\xff"}', "application/json", 400),
        (b'{"by": "' + b"x" * 20_000 + b'"}', "application/json", 413),
        (b'{"a":' * 5000, "application/json", 413),
        (b'{"a":' * 2000, "application/json", 400),
        pytest.param(json.dumps(GOOD).encode(), "text/plain", 415, id="text"),
        (b"by=jo&reason=x", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
    ],
)
async def test_bodies_that_are_none(collector: Collector, content: bytes, type_: str, status: int) -> None:
    """A form of another site can send text/plain without being asked first: it must not waive anything."""
    (id_,) = await orders(collector, 1)
    path = f"/api/v1/instances/{id_}/waiver"
    answer = await collector.http.post(path, content=content, headers={"content-type": type_})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "milepost" not in [row[0] for row in collector.rows("SELECT source FROM event")]


WORD = {"source": "crm", "event": "order-1", "by": "jo", "reason": "a typing error"}
FORGED = {WAIVED: GOOD, WITHDRAWN: {"by": "jo", "reason": "it matters"}, JOIN_REJECTED: WORD, JOIN_ACCEPTED: WORD}
"""What each act would have to say."""


@pytest.mark.parametrize("type_", sorted(ACTS))
async def test_no_door_lets_an_act_in(collector: Collector, tmp_path: Path, type_: str) -> None:
    (id_,) = await orders(collector, 1)
    data = {"workflow": "order-to-cash", "key": "order=O-1", **FORGED.get(type_, WORD)}
    act = {"specversion": "1.0", "id": "forged", "source": "milepost", "type": type_}
    forged = act | {"data": data}
    refused = await collector.events(forged)
    assert (refused.status_code, refused.json()["faults"][0]["field"]) == (400, "source")
    beside = await collector.events(
        forged, cloud_event("fine", type="noise"), json.dumps(forged).replace("mile", "m\\u0069le").encode()
    )
    assert (beside.json()["accepted"], beside.json()["rejected"]) == (1, 2)
    binary = {f"ce-{name}": value for name, value in act.items()} | {"content-type": "application/json"}
    for source in ("milepost", "%6dilepost", '"milepost"'):
        answer = await collector.http.post("/events", json=data, headers=binary | {"ce-source": source})
        assert answer.status_code == 400, source
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in data.items()]
    for service in ("milepost", "mile\x00post"):
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        record = {"timeUnixNano": "1795000000000000000", "eventName": type_, "attributes": attributes}
        logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
        answer = await collector.http.post("/v1/logs", json=logs)
        assert "reserved for what people do" in answer.json()["partialSuccess"]["errorMessage"]
        span = {"traceId": "0c" * 16, "spanId": "38" * 8, "name": "activate", "attributes": attributes}
        traces = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
        assert (await collector.http.post("/v1/traces", json=traces)).json() == {}
    file = tmp_path / "acts.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(forged).encode() + b"\n"))
    with open_source(file) as opened:
        report = import_records(
            collector.conn, read_records(opened, "x", None), fingerprint(file, "x", ""), "x", lambda: 0, lambda *_: None
        )
    assert (report.appended, report.unusable) == (0, 1)
    collector.project()
    assert (await collector.get(f"/api/v1/instances/{id_}"))["verdict"] == "stuck"
    assert collector.rows("SELECT count(*) FROM event WHERE source LIKE 'milepost%'") == [(0,)]
    assert collector.rows("SELECT count(*) FROM span WHERE service = 'milepost'") == [(2,)]
    assert {letter[2] for letter in collector.letters()} == {
        "source: 'milepost' is reserved for what people do in Milepost itself"
    }


async def test_an_act_that_lost_its_instance_is_a_dead_letter(collector: Collector) -> None:
    """As after a rebuild by definitions that know the key no more."""
    (id_,) = await orders(collector, 1)
    await say(collector, id_, GOOD)
    collector.conn.execute(
        "UPDATE event SET body = replace(convert_from(body, 'UTF8'), 'O-1', 'O-7')::bytea WHERE source = 'milepost'"
    )
    collector.conn.commit()
    collector.project()
    assert [(letter[0], letter[1]) for letter in collector.letters()] == [("milepost", "no_such_instance")]
    assert collector.rows("SELECT count(*) FROM instance") == [(1,)]


async def test_merged_halves_keep_the_waiver(collector: Collector) -> None:
    await collector.events(
        cloud_event("a", time=ago(10), data={"order_id": "O-1"}),
        cloud_event("b", time=ago(9), data={"sales_order": "4711"}),
        cloud_event("alive", source="sap", type="heartbeat", time=ago(0)),
    )
    collector.project()
    (half,) = (await collector.get("/api/v1/instances", key="sales_order=4711"))["items"]
    await say(collector, half["id"], GOOD)
    await collector.events(cloud_event("c", time=ago(8), data={"order_id": "O-1", "sales_order": "4711"}))
    collector.project()
    (whole,) = (await collector.get("/api/v1/instances", key="order=O-1"))["items"]
    assert (whole["verdict"], whole["waiver"]["by"]) == ("waived", "jo")
    again = await say(collector, half["id"], {"by": "jo", "reason": "by its former id"}, "DELETE")
    assert (again.status_code, again.json()["id"]) == (202, whole["id"])


def run(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "waive", *words, "--database-url", url], capture_output=True, text=True, check=False,
        env=environment(), timeout=240,
    )  # fmt: skip


@pytest.mark.slow
async def test_waiving_at_a_terminal(collector: Collector) -> None:
    await orders(collector, 1, 2)
    collector.projector._forget()
    collector.projecting.close()
    url = collector.url
    done = await asyncio.to_thread(run, url, "order=O-1", "--until", "3d", "--reason", "SAP is mended", "--by", "jo")
    assert done.returncode == 0, done.stderr
    assert "O-1 · order-to-cash: waived" in done.stdout
    assert "Waived by jo until" in done.stdout
    faulty = await asyncio.to_thread(
        run, url, "O-1", "--until", "2020-01-01T00:00:00Z", "--reason", "\x1b[31m", "--by", ""
    )
    assert (faulty.returncode, faulty.stdout) == (1, "")
    assert [line.partition(":")[0] for line in faulty.stderr.splitlines()] == ["by", "reason", "until"]
    unknown = await asyncio.to_thread(run, url, "order=O-77", "--reason", " ")
    assert [line.partition(": ")[0] for line in unknown.stderr.splitlines()] == ["order=O-77", "reason", "until"]
    other = await asyncio.to_thread(run, url, "O-1", "--until", "1h", "--reason", "x", "--workflow", "ticket")
    assert "nothing is known of it" in other.stderr
    back = await asyncio.to_thread(run, url, "O-1", "--withdraw", "--reason", "it matters")
    assert "O-1 · order-to-cash: stuck" in back.stdout, back.stderr
    twice = await asyncio.to_thread(run, url, "O-1", "--withdraw", "--until", "3d", "--reason", "it matters")
    assert [line.partition(": ")[0] for line in twice.stderr.splitlines()] == ["id", "until"]
