# ruff: noqa: F811
"""Words on joins over HTTP and at a terminal: what is refused, what is done, and who is told of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.copyformat import act_row
from collector.log import append
from collector.rebuild import fingerprints, forget
from slo_rules.acts import join_document
from slo_rules.instants import rfc3339, to_micros
from tests.acceptance.process import COMMAND, environment
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow

WRONG = {"source": "sap", "event": "wrong"}
GOOD = WRONG | {"by": "ana", "reason": "a typing error, INC-4711"}
NOBODY = "00000000-0000-4000-8000-000000000000"


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


async def one(collector: Collector, key: str, **asked: str) -> Any:
    """The instance with this key, with everything behind its verdict."""
    (row,) = (await collector.get("/api/v1/instances", key=key))["items"]
    return await collector.get(f"/api/v1/instances/{row['id']}", **asked)


def facts(found: Any) -> Any:
    """What of an instance does not follow from when we look or from what people did."""
    names = ("id", "title", "verdict", "reason", "milestones", "keys", "value", "attributes", "joined")
    said = [event["id"] for event in found["events"] if event["source"] != "milepost"]
    return {name: found[name] for name in names}, said


async def halves(collector: Collector) -> list[Any]:
    """Two orders, the second one older."""
    await collector.events(
        cloud_event("a", time=ago(9), data={"order_id": "O-1", "amount": 10, "currency": "EUR"}),
        cloud_event("b", time=ago(10), data={"order_id": "O-2", "sales_order": "4711"}),
        cloud_event("alive", source="sap", type="heartbeat", time=ago(0)),
    )
    collector.project()
    return [await one(collector, f"order=O-{n}") for n in (1, 2)]


async def joined(collector: Collector, *, source: str = "sap", id_: str = "wrong") -> list[Any]:
    """The two orders as they were, and then one event that joined them: it means O-1, and names the other's number."""
    found = await halves(collector)
    data = {"order_id": "O-1", "sales_order": "4711"}
    answer = await collector.events(cloud_event(id_, source=source, type="sales_order.created", time=ago(8), data=data))
    assert answer.status_code == 200, answer.text
    collector.project()
    assert (await one(collector, "order=O-1"))["id"] == (await one(collector, "order=O-2"))["id"] == found[1]["id"]
    return found


async def say(collector: Collector, id_: str, said: Any, method: str = "POST") -> Any:
    return await collector.http.request(
        method, f"/api/v1/instances/{id_}/rejected-joins", json=said, headers={"content-type": "application/json"}
    )


def fields(answer: Any) -> list[str]:
    return [fault["field"] for fault in answer.json()["faults"]]


async def test_both_halves_are_what_they_were_until_it_is_accepted(collector: Collector) -> None:
    before = await joined(collector)
    whole = await one(collector, "order=O-1")
    answer = await say(collector, whole["id"], GOOD)
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert (said["id"], said["rejected"], said["event"]["type"]) == (whole["id"], True, "milepost.join_rejected")
    assert "applied" in said["in_force"]
    assert facts(await one(collector, "order=O-1")) == facts(whole)
    collector.project()
    after = [await one(collector, f"order=O-{n}") for n in (1, 2)]
    assert [facts(found) for found in after] == [facts(found) for found in before]
    accepted = await say(collector, after[0]["id"], GOOD | {"by": "ben", "reason": "it was right"}, "DELETE")
    assert (accepted.status_code, accepted.json()["rejected"]) == (202, False)
    collector.project()
    again = await one(collector, "order=O-1")
    assert (again["id"], again["milestones"], again["keys"]) == (whole["id"], whole["milestones"], whole["keys"])
    assert collector.letters() == []
    known = fingerprints(collector.conn)
    forget(collector.conn, current_definitions=False)
    while not collector.projector.cycle(collector.projecting).caught_up:
        pass
    assert fingerprints(collector.conn) == known


async def test_both_halves_say_who_rejected_what_and_why_also_of_the_past(collector: Collector) -> None:
    ids = [found["id"] for found in await joined(collector)]
    assert (await one(collector, "order=O-1"))["rejected"] == []
    before = rfc3339(datetime.now(UTC))
    await say(collector, ids[0], GOOD)
    collector.project()
    told = [(await one(collector, f"order=O-{n}"))["rejected"] for n in (1, 2)]
    assert told[0] == told[1]
    ((rejection,),) = told[:1]
    assert rejection == {
        "event": {"source": "sap", "id": "wrong", "type": "sales_order.created"}, "by": "ana",
        "reason": "a typing error, INC-4711", "at": rejection["at"], "accepted_at": None, "parts": sorted(ids),
    }  # fmt: skip
    between = rfc3339(datetime.now(UTC))
    await say(collector, ids[1], GOOD, "DELETE")
    collector.project()
    collector.project()
    ((accepted,),) = [(await one(collector, "order=O-1"))["rejected"]]
    assert accepted == rejection | {"accepted_at": accepted["accepted_at"]}
    assert accepted["accepted_at"] > between
    assert (await one(collector, "order=O-1", known_at=before))["rejected"] == []
    for id_ in ids:
        found = await collector.get(f"/api/v1/instances/{id_}", known_at=between)
        assert (found["id"], found["rejected"]) == (id_, [rejection])
    assert (await one(collector, "order=O-1", as_of=ago(1)))["rejected"] == [accepted]


async def test_what_falls_apart_for_another_reason_does_not_share_it(collector: Collector) -> None:
    """A third order that was joined later and taken out again knows of its own rejection only."""
    (first, _) = await joined(collector)
    await say(collector, first["id"], GOOD)
    collector.project()
    await collector.events(
        cloud_event("c", time=ago(3), data={"order_id": "O-3"}),
        cloud_event("more", source="sap", type="sales_order.created", time=ago(2), data={"order_id": "O-3", "sales_order": "4711"}),
    )  # fmt: skip
    collector.project()
    third = await one(collector, "order=O-3")
    assert [said["event"]["id"] for said in third["rejected"]] == ["wrong"]
    await say(collector, third["id"], GOOD | {"event": "more"})
    collector.project()
    told = [[said["event"]["id"] for said in (await one(collector, f"order=O-{n}"))["rejected"]] for n in (1, 2, 3)]
    assert told == [["wrong"], ["wrong", "more"], ["more"]]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, ["by", "event", "reason", "source"]),
        (WRONG, ["by", "reason"]),
        (GOOD | {"event": "nothing", "by": " ", "reason": "\t"}, ["by", "event", "reason"]),
        (GOOD | {"source": "", "event": ""}, ["event", "source"]),
        (GOOD | {"source": 7, "event": ["wrong"], "by": {"$": 1}, "reason": None}, ["by", "event", "reason", "source"]),
        (GOOD | {"by": "x" * 201, "reason": "x" * 1001, "event": "x" * 2049}, ["by", "event", "reason"]),
        (GOOD | {"by": "ana\u202e", "reason": "a\x1b[2Jb"}, ["by", "reason"]),
        (GOOD | {"reason": "a\nb"}, ["reason"]),
        (GOOD | {"event": "wrong\x00", "source": "\x00sap"}, ["event", "source"]),
        (GOOD | {"until": "2030-01-01T00:00:00Z", "key": "order=O-2"}, ["key", "until"]),
        (GOOD | {"source": "milepost"}, ["source"]),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_every_fault_is_named_and_nothing_is_written(
    collector: Collector, said: Any, named: list[str], method: str
) -> None:
    await joined(collector)
    id_, logged = (await one(collector, "order=O-1"))["id"], collector.ids()
    answer = await say(collector, id_, said, method)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    # An event that can be named and is not rejected cannot be accepted either: that is said in the same answer.
    nameable = method == "DELETE" and not {"event", "source"} & set(named)
    assert sorted(fields(answer)) == sorted([*named, "event"] if nameable else named)
    for unknown in ("no-id", NOBODY, "%00", "..%2f"):
        refused = await say(collector, unknown, said, method)
        assert refused.status_code == 404, unknown
        if "faults" in refused.json():
            assert set(fields(refused)) - set(named) == {"id"}
    assert collector.ids() == logged


@pytest.mark.parametrize(
    ("method", "event", "message"),
    [
        ("POST", "of-another", "it is none of the instance's events"),
        ("POST", "alive", "it is none of the instance's events"),
        ("POST", "Wrong", "it is none of the instance's events"),
        ("POST", "wrong ", "it is none of the instance's events"),
        ("DELETE", "wrong", "it is not rejected"),
        ("DELETE", "nothing", "it is not rejected"),
    ],
)
async def test_an_event_that_is_in_another_state_is_a_conflict(
    collector: Collector, method: str, event: str, message: str
) -> None:
    await joined(collector)
    await collector.events(cloud_event("of-another", source="sap", type="order.created", data={"order_id": "O-9"}))
    collector.project()
    id_, logged = (await one(collector, "order=O-1"))["id"], collector.ids()
    answer = await say(collector, id_, GOOD | {"event": event}, method)
    assert (answer.status_code, answer.json()["faults"]) == (409, [{"field": "event", "message": message}])
    assert collector.ids() == logged


async def test_what_is_rejected_is_not_rejected_again(collector: Collector) -> None:
    await joined(collector)
    id_ = (await one(collector, "order=O-1"))["id"]
    answers = await asyncio.gather(*(say(collector, id_, GOOD) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [202] * 3
    collector.project()
    assert [letter[1] for letter in collector.letters()] == ["join_rejected"]
    logged = collector.ids()
    for n in (1, 2):
        found = await one(collector, f"order=O-{n}")
        answer = await say(collector, found["id"], GOOD)
        assert (answer.status_code, answer.json()["faults"][0]["message"]) == (409, "it is rejected already")
    assert collector.ids() == logged


async def test_an_event_that_is_all_there_is_stays(collector: Collector) -> None:
    """Nothing would be left by which it could be accepted again."""
    (first, _) = await halves(collector)
    said = {"source": "crm", "event": "a", "by": "ana", "reason": "a test"}
    for _ in range(2):
        answer = await say(collector, first["id"], said)
        assert (answer.status_code, fields(answer)) == (409, ["event"])
        assert "all that is known of the instance" in answer.json()["title"]
        waiver = {"by": "jo", "reason": "known", "until": ago(-24)}
        await collector.http.post(f"/api/v1/instances/{first['id']}/waiver", json=waiver)
        collector.project()
    assert (await one(collector, "order=O-1"))["verdict"] == "waived"


async def test_what_people_did_is_taken_back_by_its_own_act(collector: Collector) -> None:
    (first, _) = await halves(collector)
    waived = await collector.http.post(
        f"/api/v1/instances/{first['id']}/waiver", json={"by": "jo", "reason": "known", "until": ago(-24)}
    )
    collector.project()
    act = waived.json()["event"]
    answer = await say(collector, first["id"], GOOD | {"source": act["source"], "event": act["id"]})
    assert (answer.status_code, fields(answer)) == (400, ["source"])
    assert "what people do in Milepost joins nothing" in answer.json()["title"]


async def test_an_instance_that_was_joined_away_is_the_whole(collector: Collector) -> None:
    (first, second) = await joined(collector)
    answer = await say(collector, first["id"], GOOD)
    assert (answer.status_code, answer.json()["id"]) == (202, second["id"])
    collector.project()
    assert (await collector.get(f"/api/v1/instances/{first['id']}"))["title"] == "O-1"


@pytest.mark.parametrize(
    ("source", "id_"),
    [
        ("sap", " wrong "),
        ("sap", "a\nb\t\x1b[31m\u202e"),
        ("sap", "'; DROP TABLE event; --"),
        ("sap", "/api/v1?x=1#y %25"),
        ("sap", "Ünïcødé-\U0001f600-山田"),
        ("sap", "x" * 2048),
    ],
)
async def test_events_are_named_exactly_as_they_were_sent(collector: Collector, source: str, id_: str) -> None:
    await joined(collector, source=source, id_=id_)
    whole = await one(collector, "order=O-1")
    for method, titles in (("POST", {"O-1", "O-2"}), ("DELETE", {whole["title"]})):
        answer = await say(collector, whole["id"], GOOD | {"source": source, "event": id_}, method)
        assert answer.status_code == 202, answer.text
        collector.project()
        assert {row["title"] for row in (await collector.get("/api/v1/instances"))["items"]} == titles
    (rejection,) = (await one(collector, "order=O-1"))["rejected"]
    assert rejection["event"] == {"source": source, "id": id_, "type": "sales_order.created"}


@pytest.mark.parametrize(
    ("content", "type_", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"by": "\xff"}', "application/json", 400),
        (b'{"event": "\\ud800"}', "application/json", 400),
        (b'{"by": "' + b"x" * 20_000 + b'"}', "application/json", 413),
        (json.dumps(GOOD).encode(), "text/plain", 415),
        (b"by=ana&reason=x", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_bodies_that_are_none(collector: Collector, content: bytes, type_: str, status: int, method: str) -> None:
    await joined(collector)
    path = f"/api/v1/instances/{(await one(collector, 'order=O-1'))['id']}/rejected-joins"
    answer = await collector.http.request(method, path, content=content, headers={"content-type": type_})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "milepost" not in [row[0] for row in collector.rows("SELECT source FROM event")]


async def test_what_the_log_no_longer_has_cannot_be_taken_apart(collector: Collector) -> None:
    await joined(collector)
    id_ = (await one(collector, "order=O-1"))["id"]
    accepted = await say(collector, id_, GOOD)
    collector.rows("DELETE FROM event WHERE id = 'a' RETURNING 1")
    answer = await say(collector, id_, GOOD)
    assert (answer.status_code, fields(answer)) == (409, ["id"])
    assert "no longer has all events" in answer.json()["title"]
    collector.project()
    letters = collector.rows("SELECT event_id, reason, detail FROM dead_letter")
    assert letters == [
        (
            accepted.json()["event"]["id"], "cannot_be_applied",
            "the instance was not taken apart: the log no longer has all of its events",
        )
    ]  # fmt: skip
    assert (await one(collector, "order=O-1"))["id"] == id_


async def test_a_word_on_an_event_that_is_elsewhere_is_a_dead_letter(collector: Collector) -> None:
    """As when somebody else has taken the instance apart in the meantime."""
    await joined(collector)
    at = to_micros(datetime.now(UTC))
    said = GOOD | {"event": "elsewhere"}
    document = join_document("late", "order-to-cash", "order=O-1", at, said, accepts=False)
    with collector.conn.transaction():
        append(collector.conn, [act_row(at, b"late", document["type"].encode(), json.dumps(document).encode())], [], [])
    collector.project()
    ((_, reason, detail, event_id, _),) = collector.letters()
    assert (reason, event_id) == ("cannot_be_applied", "late")
    assert detail == "the instance was not taken apart: the event is none of the instance's events"


async def test_the_description_says_what_is_sent(collector: Collector) -> None:
    paths = (await collector.get("/openapi.json"))["paths"]
    for method in ("post", "delete"):
        said = paths["/api/v1/instances/{id}/rejected-joins"][method]
        schema = said["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == ["source", "event", "by", "reason"]
        assert {"400", "404", "409"} <= said["responses"].keys()


# At a terminal


def run(command: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, command, *words], capture_output=True, text=True, check=False, env=environment(), timeout=240
    )


@pytest.mark.slow
async def test_rejecting_at_a_terminal(collector: Collector) -> None:
    await joined(collector)
    collector.projector._forget()
    collector.projecting.close()
    where = ("--database-url", collector.url)

    async def reject(key: str, *words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(run, "reject-join", key, *words, *where)

    event = ("--source", "sap", "--event", "wrong")
    faulty = await reject("O-1", "--source", "milepost", "--event", "", "--reason", "\x1b[31m", "--by", "")
    assert (faulty.returncode, faulty.stdout) == (1, "")
    assert [line.partition(":")[0] for line in faulty.stderr.splitlines()] == ["event", "source", "by", "reason"]
    unknown = await reject("order=O-77", *event, "--reason", " ")
    assert [line.partition(": ")[0] for line in unknown.stderr.splitlines()] == ["order=O-77", "reason"]
    early = await reject("O-1", *event, "--reason", "x", "--accept")
    assert (early.returncode, early.stderr) == (1, "event: it is not rejected\n")
    done = await reject("O-1", *event, "--reason", "a typing error", "--by", "ana")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if "order-to-cash" in line]
    assert sorted(told) == ["O-1 · order-to-cash: stuck", "O-2 · order-to-cash: stuck"]
    twice = await reject("O-1", *event, "--reason", "x")
    assert (twice.returncode, twice.stderr) == (1, "event: it is rejected already\n")
    other = await reject("O-1", *event, "--reason", "x", "--workflow", "ticket")
    assert "nothing is known of it" in other.stderr
    explained = await asyncio.to_thread(run, "explain", "O-1", *where)
    assert "Rejected:\n  sales_order.created of sap, id wrong, by ana at " in explained.stdout
    assert ": a typing error; taken apart into " in explained.stdout
    collector.rows("UPDATE rejected_join SET reason = E'a\\x1b[31m\\nb', by = E'ana\\u202e' RETURNING 1")
    steered = await asyncio.to_thread(run, "explain", "O-1", *where)
    assert "a\\x1b[31m\\nb" in steered.stdout
    assert not {"\x1b", "\u202e"} & set(steered.stdout)
    back = await reject("O-2", *event, "--reason", "it was right", "--accept")
    assert (back.returncode, [line for line in back.stdout.splitlines() if "order-to-cash" in line]) == (
        0, ["O-2 · order-to-cash: on track"],
    ), back.stderr  # fmt: skip
    explained = await asyncio.to_thread(run, "explain", "O-2", *where)
    assert "; it counts again since " in explained.stdout


@pytest.mark.slow
def test_where_nothing_is_stored_that_is_said(tmp_path: Path) -> None:
    said = ("--source", "sap", "--event", "1", "--reason", "x", "--data-dir", str(tmp_path))
    for more in ((), ("--accept",)):
        found = run("reject-join", "O-1", *said, *more)
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr.startswith("There is no database in ")
    assert list(tmp_path.iterdir()) == []
