"""What instances and lists say of the past, over HTTP and at a terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from collector.query import heard, past, past_lists
from collector.store.database import Connection
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import rfc3339
from tests.acceptance.process import COMMAND, environment
from tests.integration.fix_doors import answering
from tests.projecting import enroll, project, receive
from tests.strategies import START, definitions, make_event

pytestmark = pytest.mark.slow

DAY = 24 * HOUR


def event(type_: str, occurred: int, received: int, number: int, source: str = "crm", **said: Any) -> Event:
    """An event with times in micros after START."""
    return make_event(type_, occurred, number, source, {"tax_code": "V1"} | said, received)


HISTORY = [
    # SO-1 is accepted in time, but that is heard of only after its deadline; SAP is silent meanwhile.
    event("noise", 0, 1 * MINUTE, 1, "sap"),
    event("won", 0, 2 * MINUTE, 2, order="SO-1", account="A", amount=10, currency="EUR"),
    # SO-2 and the opportunity that turns out to be the same, told by an event that comes ten hours later.
    event("won", 0, 3 * MINUTE, 3, opportunity="OPP-2", account="A", amount=20, currency="EUR"),
    event("accepted", HOUR, 2 * HOUR, 4, "sap", order="SO-2"),
    event("noise", 7 * HOUR, 7 * HOUR, 8),
    event("accepted", HOUR, 9 * HOUR, 5, "sap", order="SO-1"),
    event("shipped", 90 * MINUTE, 9 * HOUR + MINUTE, 6, order="SO-1"),
    event("linked", HOUR, 10 * HOUR, 7, order="SO-2", opportunity="OPP-2"),
]


def at(micros: int) -> str:
    return rfc3339(START + micros)


@pytest.fixture
async def http(database_url: str, conn: Connection) -> AsyncIterator[httpx.AsyncClient]:
    """The API over that history."""
    catalogue = enroll(conn, definitions())
    receive(conn, HISTORY)
    project(conn, catalogue)
    async with answering(database_url, catalogue) as client:
        yield client


async def instance(http: httpx.AsyncClient, key: str, **asked: str) -> dict[str, Any]:
    (row,) = (await http.get("/api/v1/instances", params={"key": key})).json()["items"]
    answer = await http.get(f"/api/v1/instances/{row['id']}", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def listed(http: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await http.get("/api/v1/instances", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_came_late_was_not_known_but_had_happened(http: httpx.AsyncClient) -> None:
    known = await instance(http, "SO-1", known_at=at(5 * HOUR))
    assert (known["verdict"], known["reason"], known["known_at"], known["as_of"]) == (
        "blind", "source_silent", at(5 * HOUR), None,
    )  # fmt: skip
    assert [one["id"] for one in known["events"]] == ["e2"]
    assert known["arithmetic"][-1].endswith("1h past it.")
    of = await instance(http, "SO-1", as_of=at(5 * HOUR))
    assert [step["state"] for step in of["journey"]] == ["reached", "reached", "reached", "due", "waiting", "due"]
    assert (of["verdict"], of["as_of"], of["known_at"]) == ("on_track", at(5 * HOUR), None)
    assert (await instance(http, "SO-1", as_of=at(30 * MINUTE)))["waiting_for"] == "accepted"
    both = await instance(http, "SO-1", as_of=at(80 * MINUTE), known_at=at(20 * HOUR))
    assert set(both["milestones"]) == {"won", "accepted"}


async def test_a_source_that_was_silent_then_is_silent_in_what_was_known_then(http: httpx.AsyncClient) -> None:
    """SAP sent at two o'clock and at nine, and counts as silent after two hours; SO-1 was due at four."""
    for hours, verdict in ((3, "due_soon"), (4, "blind"), (8, "blind")):
        known = await instance(http, "SO-1", known_at=at(hours * HOUR + 30 * MINUTE))
        assert known["verdict"] == verdict, hours
    assert "nothing at all has arrived from sap since 2026-09-21 16:13" in known["explanation"]
    seen_from_now = await instance(http, "SO-1", as_of=at(8 * HOUR), known_at=at(9 * HOUR - 1))
    assert seen_from_now["verdict"] == "blind"


async def test_instances_that_were_joined_later_were_apart(http: httpx.AsyncClient) -> None:
    now = await instance(http, "SO-2")
    assert [one["id"] for one in now["joined"]] != []
    other = now["joined"][0]["id"]
    apart = await instance(http, "SO-2", known_at=at(9 * HOUR))
    assert [key["value"] for key in apart["keys"]] == ["A", "OPP-2"]
    assert apart["id"] == now["id"]
    assert [(one["id"], one["event"]["id"]) for one in apart["joined_later"]] == [(other, "e7")]
    half = (await http.get(f"/api/v1/instances/{other}", params={"known_at": at(9 * HOUR)})).json()
    assert (half["id"], [key["value"] for key in half["keys"]]) == (other, ["SO-2"])
    assert [one["id"] for one in half["joined_later"]] == [now["id"]]
    of = await instance(http, "SO-2", as_of=at(30 * MINUTE))
    assert ([key["value"] for key in of["keys"]], of["joined_later"]) == (["A", "OPP-2"], [])
    joined = await instance(http, "SO-2", known_at=at(10 * HOUR))
    assert ([one["id"] for one in joined["joined"]], joined["joined_later"]) == ([other], [])


async def test_before_anything_was_known_there_is_nothing(http: httpx.AsyncClient) -> None:
    (row,) = (await listed(http, key="SO-1"))["items"]
    for asked in ({"known_at": at(MINUTE)}, {"as_of": at(-1)}):
        answer = await http.get(f"/api/v1/instances/{row['id']}", params=asked)
        assert (answer.status_code, "nothing was known" in answer.json()["title"]) == (404, True)
        assert (await listed(http, **asked))["items"] == []


async def test_lists_of_the_past(http: httpx.AsyncClient) -> None:
    then = await listed(http, known_at=at(8 * HOUR))
    assert {row["title"]: row["verdict"] for row in then["items"]} == {
        "SO-1": "blind", "OPP-2": "blind", "SO-2": "inconsistent",
    }  # fmt: skip
    assert {row["title"]: row["reason"] for row in then["items"]}["SO-2"] == "orphan"
    assert (then["total"], then["counts"], then["value"]) == (3, {"blind": 2, "inconsistent": 1}, None)
    assert then["known_at"] == at(8 * HOUR)
    blind = await listed(http, known_at=at(8 * HOUR), verdict="blind", workflow="orders", domain="orders")
    assert ({row["title"] for row in blind["items"]}, blind["total"]) == ({"SO-1", "OPP-2"}, 2)
    assert (await listed(http, known_at=at(8 * HOUR), workflow="other"))["total"] == 0
    by_key = await listed(http, known_at=at(8 * HOUR), key="account=A")
    assert {row["title"] for row in by_key["items"]} == {"SO-1", "OPP-2"}
    assert by_key["value"] == [{"currency": "EUR", "amount": 30.0}]
    of = await listed(http, as_of=at(8 * HOUR), verdict=["on_track", "stuck"])
    assert {row["title"] for row in of["items"]} == {"SO-1", "OPP-2"}
    assert of["as_of"] == at(8 * HOUR)


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"as_of": "yesterday"}, ["as_of"]),
        ({"known_at": "2026-09-21T10:00:00"}, ["known_at"]),
        ({"as_of": "2026-09-21"}, ["as_of"]),
        ({"as_of": ""}, ["as_of"]),
        ({"as_of": "0001-01-01T00:00:00+23:00"}, ["as_of"]),
        ({"known_at": "1795000000"}, ["known_at"]),
        ({"as_of": "x", "known_at": "y"}, ["as_of", "known_at"]),
    ],
)
async def test_every_fault_is_named_at_once(
    http: httpx.AsyncClient, parameters: dict[str, str], fields: list[str]
) -> None:
    for path in ("/api/v1/instances", "/api/v1/instances/00000000-0000-0000-0000-000000000001"):
        answer = await http.get(path, params=parameters)
        assert answer.status_code == 400, answer.text
        assert [fault["field"] for fault in answer.json()["faults"]] == fields


async def test_the_future_and_what_lists_of_the_past_cannot_do_are_refused(http: httpx.AsyncClient) -> None:
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = await http.get("/api/v1/instances", params={"as_of": future})
    assert (answer.status_code, "future" in answer.json()["title"]) == (400, True)
    asked = {
        "known_at": future, "owner": "x", "q": "x", "min_value": 1, "sort": "value", "offset": 1, "limit": 0,
        "cursor": "nonsense", "verdict": "lost", "key": "a\x00",
    }  # fmt: skip
    faults = (await http.get("/api/v1/instances", params=asked)).json()["faults"]
    assert sorted(fault["field"] for fault in faults) == sorted(asked)
    (owner,) = [fault["message"] for fault in faults if fault["field"] == "owner"]
    assert owner == "cannot be asked of the past; workflow, domain, verdict and key can"


async def test_an_instant_that_is_not_settled_is_to_be_asked_again(http: httpx.AsyncClient, conn: Connection) -> None:
    (row,) = (await listed(http, key="SO-1"))["items"]
    with conn.transaction():
        conn.execute("UPDATE projection SET seq = 3, swept_to = %s", (at(3 * MINUTE),))
    for path in (f"/api/v1/instances/{row['id']}", "/api/v1/instances"):
        answer = await http.get(path, params={"known_at": at(5 * HOUR)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert (await http.get(path, params={"known_at": at(3 * MINUTE)})).status_code == 200


async def test_what_would_cost_too_much_or_is_gone_is_refused_and_not_guessed(
    http: httpx.AsyncClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = (await listed(http, key="SO-1"))["items"]
    path = f"/api/v1/instances/{row['id']}"

    async def refused(where: str, **asked: str) -> str:
        answer = await http.get(where, params=asked)
        assert answer.status_code == 422, answer.text
        return str(answer.json()["title"])

    with monkeypatch.context() as patch:
        patch.setattr(past_lists, "MOST_REPLAYED", 0)
        assert "narrow the list" in await refused("/api/v1/instances", as_of=at(HOUR))
        assert "narrow the list" in await refused("/api/v1/instances", known_at=at(HOUR))
    with monkeypatch.context() as patch:
        patch.setattr(past, "MOST_EVENTS_READ", 1)
        assert "more than 1 events" in await refused(path, as_of=at(DAY))
    with monkeypatch.context() as patch:
        patch.setattr(heard, "MOST_LOOKED_BACK", 0)
        assert "sap" in await refused(path, known_at=at(5 * HOUR))
    with conn.transaction():
        conn.execute("DELETE FROM event WHERE id = 'e2'")
    assert "no longer in the log" in await refused(path, as_of=at(DAY))


async def test_the_description_names_both_instants(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    for path in ("/api/v1/instances", "/api/v1/instances/{id}"):
        declared = {one["name"]: one for one in paths[path]["get"]["parameters"]}
        for name in ("as_of", "known_at"):
            assert declared[name]["schema"]["format"] == "date-time"
            assert declared[name]["description"]
        assert {"400", "422", "503"} <= paths[path]["get"]["responses"].keys()


# At a terminal


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "explain", *arguments, "--database-url", url],
        capture_output=True, text=True, check=False, timeout=240, env=environment(),
    )  # fmt: skip


@pytest.fixture
def url(database_url: str, conn: Connection) -> str:
    catalogue = enroll(conn, definitions())
    receive(conn, HISTORY)
    project(conn, catalogue)
    return database_url


def test_one_instance_is_told_in_full(url: str) -> None:
    told = run(url, "order=SO-1", "--known-at", at(8 * HOUR))
    assert told.returncode == 0, told.stderr
    for words in (
        f"SO-1 · orders version 1, as known at {at(8 * HOUR)}", "BLIND (source_silent)", "the source is silent",
        "Accepted from sap, due by", "owned by operations", "Breach after 4h", "OVERDUE  Accepted", "reached  Won",
        "account=A   finds  by won of crm, id e2", "crm  won  e2  won",
    ):  # fmt: skip
        assert " ".join(words.split()) in " ".join(told.stdout.split()), told.stdout
    now = run(url, "SO-2")
    assert "Joined into it:" in now.stdout
    document = json.loads(run(url, "SO-1", "--format", "json").stdout)
    assert [one["title"] for one in document["items"]] == ["SO-1"]
    assert document["items"][0]["history"]
    by_id = run(url, document["items"][0]["id"])
    assert by_id.stdout.splitlines()[0] == "SO-1 · orders version 1"


def test_what_others_wrote_cannot_steer_the_terminal(database_url: str, conn: Connection) -> None:
    catalogue = enroll(conn, definitions())
    receive(conn, [make_event("won", 0, 1, "crm", {"order": "SO-1\x1b[2J\nSO-2"})])
    project(conn, catalogue)
    told = run(database_url, "order=SO-1\x1b[2J\nSO-2")
    assert told.returncode == 0, told.stderr
    assert "\x1b" not in told.stdout
    assert told.stdout.startswith("SO-1\\x1b[2J\\nSO-2 · orders")


@pytest.mark.slow
def test_several_are_listed_and_nothing_found_is_said(url: str) -> None:
    several = run(url, "account=A")
    assert (several.returncode, several.stdout.splitlines()[0]) == (
        0, "2 instances carry account=A; give an id, or a --workflow, for one.",
    )  # fmt: skip
    nothing = run(url, "SO-9")
    assert nothing.returncode == 1
    assert nothing.stdout.splitlines()[0] == "Nothing is known of SO-9."
    assert "order=SO-1" in nothing.stdout
    early = run(url, "SO-2", "--known-at", at(HOUR))
    assert (early.returncode, early.stdout.splitlines()[0]) == (1, f"Nothing is known of SO-2, as known at {at(HOUR)}.")
    assert run(url, "SO-1", "--workflow", "other").returncode == 1
    wrong = run(url, "SO-1", "--as-of", "yesterday", "--known-at", "2999-01-01T00:00:00Z")
    assert wrong.returncode == 1
    assert [line.partition(":")[0] for line in wrong.stderr.splitlines()] == ["as_of", "known_at"]
    assert run(url, "SO-1", "--format", "xml").returncode == 1
