"""Who may do what, at the doors and the API of a real collector."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import httpx
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from collector.access import keys, people
from collector.access import roster as roster_of
from collector.access.guard import COOKIE, SECURE_COOKIE
from collector.access.lengths import USUAL, Lengths
from collector.access.principal import PersonRole, acting
from collector.access.roster import Roster, Stale
from collector.access.sending import admitting
from collector.ingest.bodies import Bodies
from collector.ingest.doors import Doors
from collector.ingest.otlp_grpc import GrpcDoor
from slo_rules.durations import HOUR, SECOND
from tests.integration.fix_access import PASSWORD, PEER, Guarded, guarded, now
from tests.integration.fix_doors import cloud_event

pytestmark = pytest.mark.slow

EVENTS = {"content-type": "application/cloudevents+json"}
OWN = {"origin": "http://milepost", "sec-fetch-site": "same-origin"}


@pytest.fixture
async def behind(database_url: str) -> AsyncIterator[Guarded]:
    async with guarded(database_url) as made:
        yield made


async def log_in(behind: Guarded, name: str, password: str = PASSWORD, **how: Any) -> httpx.AsyncClient:
    client = behind.client(**how)
    answer = await client.post("/login", data={"name": name, "password": password}, headers=OWN)
    assert answer.status_code == 303, answer.text
    return client


async def send(client: httpx.AsyncClient, source: str = "crm") -> int:
    answer = await client.post("/events", json=cloud_event(source=source), headers=EVENTS)
    return answer.status_code


# Keys


async def test_without_a_name_nothing_is_let_in_but_what_tells_of_health(behind: Guarded) -> None:
    client = behind.client()
    assert await send(client) == 401
    for path in ("/api/v1/overview", "/metrics", "/openapi.json", "/docs", "/dashboard/", "/nowhere"):
        answer = await client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["status"] == 401
    assert (await client.get("/healthz")).status_code == (await client.get("/readyz")).status_code == 200
    assert behind.collector.rows("SELECT FROM event") == []


async def test_a_key_opens_what_its_scopes_say_and_nothing_else(behind: Guarded) -> None:
    opened = {
        "ingest": {"events"},
        "metrics": {"metrics"},
        "query": {"metrics", "read"},
        "act": {"metrics", "read", "act"},
        "admin": {"metrics", "read", "act"},
    }
    for scope, expected in opened.items():
        client = behind.client(behind.key(scope, name=scope))
        found = {
            "events": await send(client) == 200,
            "metrics": (await client.get("/metrics")).status_code == 200,
            "read": (await client.get("/api/v1/overview")).status_code == 200,
            "act": (await client.post("/api/v1/dead-letters/discard", json={})).status_code == 400,
        }
        assert {name for name, good in found.items() if good} == expected, scope


async def test_a_key_for_a_source_sends_as_that_source_and_a_request_with_another_leaves_nothing(
    behind: Guarded,
) -> None:
    client = behind.client(behind.key("ingest:crm", "ingest:sap"))
    assert await send(client, "crm") == await send(client, "sap") == 200
    batch = [cloud_event("1"), cloud_event("2", source="desk")]
    media = {"content-type": "application/cloudevents-batch+json"}
    answer = await client.post("/events", json=batch, headers=media)
    assert answer.status_code == 403
    assert "'desk'" in answer.json()["title"]
    assert len(behind.collector.rows("SELECT FROM event")) == 2
    broken = {"specversion": "1.0", "source": "desk", "id": "3"}
    assert (await client.post("/events", json=[cloud_event("4"), broken], headers=media)).status_code == 403
    assert behind.collector.rows("SELECT FROM dead_letter") == []


async def test_spans_and_records_of_another_service_are_refused_in_the_form_of_otlp(behind: Guarded) -> None:
    client = behind.client(behind.key("ingest:crm"))

    def traces(service: str) -> dict[str, Any]:
        name = {"key": "service.name", "value": {"stringValue": service}}
        span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x"}
        times = {"startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"}
        parent = {"parentSpanId": "eee19b7ec3c1b173"}
        spans = [span | times, span | times | parent]
        return {"resourceSpans": [{"resource": {"attributes": [name]}, "scopeSpans": [{"spans": spans}]}]}

    assert (await client.post("/v1/traces", json=traces("crm"))).status_code == 200
    answer = await client.post("/v1/traces", json=traces("sap"))
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
    assert behind.collector.rows("SELECT DISTINCT service FROM span") == [("crm",)]


async def test_a_key_that_is_wrong_over_or_revoked_opens_nothing(behind: Guarded) -> None:
    key = behind.key("query", expires=now() + HOUR)
    client = behind.client(key)
    assert (await client.get("/api/v1/overview")).status_code == 200
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key[:-1], key + "A", "mp_", "ä" * 57, key.upper()):
        answer = await behind.client().get("/api/v1/overview", headers={"authorization": f"Bearer {wrong}".encode()})
        assert answer.status_code == 401
    assert (await behind.client().get("/api/v1/overview", headers={"authorization": key})).status_code == 401
    assert keys.judge(key, behind.roster._keys, now() + 2 * HOUR) is None
    with behind.conn.transaction():
        assert keys.revoke(behind.conn, key[:13], now()) == [key[:13]]
    behind.refresh()
    assert (await client.get("/api/v1/overview")).status_code == 401


async def test_a_key_is_rotated_without_a_gap(behind: Guarded) -> None:
    former = behind.key("ingest", expires=now() + HOUR)
    with behind.conn.transaction():
        latter = keys.rotate(behind.conn, "it", 600 * SECOND, None, now())
    behind.refresh()
    assert await send(behind.client(former)) == await send(behind.client(latter)) == 200
    assert keys.judge(former, behind.roster._keys, now() + 601 * SECOND) is None
    assert keys.judge(latter, behind.roster._keys, now() + 601 * SECOND) is not None
    assert keys.judge(latter, behind.roster._keys, now() + 2 * HOUR) is None
    with pytest.raises(keys.KeyRefused, match="in force"):
        keys.create(behind.conn, "it", ("query",), None, now())
    behind.conn.rollback()


async def test_when_a_key_was_last_used_is_written_by_the_duty_and_not_by_the_request(behind: Guarded) -> None:
    key = behind.key("ingest")
    await send(behind.client(key))
    assert [row["last_used_at"] for row in keys.listed(behind.conn)] == [None]
    behind.refresh()
    (row,) = keys.listed(behind.conn)
    assert datetime.now(UTC) - row["last_used_at"] < timedelta(hours=1)


async def test_who_logs_in_over_a_session_ends_it_and_who_logs_out_everywhere_ends_all(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    first, second = await log_in(behind, "ada"), await log_in(behind, "ada")
    former = first.cookies[COOKIE]
    await first.post("/login", data={"name": "ada", "password": PASSWORD}, headers=OWN)
    assert first.cookies[COOKIE] != former
    stale = await behind.client().get("/api/v1/overview", headers={"cookie": f"{COOKIE}={former}"})
    assert stale.status_code == 401
    assert (await second.get("/api/v1/overview")).status_code == 200
    assert (await first.post("/logout", data={"everywhere": "yes"}, headers=OWN)).status_code == 303
    assert (await second.get("/api/v1/overview")).status_code == 401
    last = behind.recorded()[-1]
    assert (last["action"], last["actor"], last["how"]) == ("user.logged_out", "ada", "password")


async def test_somebody_changes_his_own_password_if_he_knows_it(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client, other = await log_in(behind, "ada"), await log_in(behind, "ada")
    assert "Present password" in (await client.get("/password")).text

    async def change(old: str, new: str, **headers: str) -> httpx.Response:
        return await client.post("/password", data={"old": old, "new": new}, headers=OWN | headers)

    new = "seven lamps in a barn"
    assert (await change("wrong password", new)).status_code == 401
    assert (await change(PASSWORD, "short")).status_code == 400
    assert "too easily guessed" in (await change(PASSWORD, "Passw0rd123456!")).text
    assert (await change(PASSWORD, new, **{"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await change(PASSWORD, new)).status_code == 303
    assert (await client.get("/api/v1/overview")).status_code == 200
    assert (await other.get("/api/v1/overview")).status_code == 401
    await log_in(behind, "ada", new)
    key = behind.client(behind.key("act"))
    assert (await key.post("/password", data={"old": new, "new": PASSWORD})).status_code == 400
    for _ in range(6):
        answer = await change("wrong password", "x")
    assert answer.status_code == 429


async def test_nothing_that_changes_anything_is_done_for_a_page_of_another_site(behind: Guarded) -> None:
    behind.user("root", "admin")
    client = await log_in(behind, "root")
    acts = [
        (method.upper(), path)
        for path, methods in behind.collector.api.openapi()["paths"].items()
        for method in methods
        if method not in ("get", "head", "options")
    ]
    assert len(acts) > 15
    for method, path in [
        *acts,
        ("POST", "/logout"),
        ("POST", "/password"),
        ("POST", "/dashboard/_dash-update-component"),
    ]:
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "http://evil"},
            {},
        ):
            address = path.replace("{id}", "1").replace("{name}", "x")
            answer = await client.request(method, address, headers=headers, json={})
            assert answer.status_code == 403, (method, path, headers)
            assert "another site" in answer.json()["title"]


async def test_what_was_known_too_long_ago_lets_nobody_in(behind: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    client = behind.client(behind.key("query"))
    monkeypatch.setattr(roster_of, "FRESH_SECONDS", -1.0)
    answer = await client.get("/api/v1/overview")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_where_what_arrives_is_kept_meanwhile_keys_hold_for_longer_than_sessions(
    behind: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = behind.key("ingest")
    keeping, other = Roster(keys_hold=3600), Roster()
    for roster in (keeping, other):
        roster.read(behind.conn)
    monkeypatch.setattr(roster_of, "FRESH_SECONDS", -1.0)
    assert keeping.of_key(key, now()) is not None
    for ask in (lambda: keeping.of_session("x", now()), lambda: other.of_key(key, now())):
        with pytest.raises(Stale):
            ask()


async def test_over_grpc_a_key_is_asked_for_as_over_http(behind: Guarded) -> None:
    collector = behind.collector
    bodies = Bodies()
    doors = Doors(collector.writer, lambda: collector.catalogue.matcher, bodies)
    door = GrpcDoor(doors, bodies, "127.0.0.1", 0, admitting(behind.roster))
    await door.start()
    keys_of = {"ingest:crm": behind.key("ingest:crm", name="a"), "query": behind.key("query", name="b")}

    said: list[str] = []

    async def code(key: str | None, service: str) -> grpc.StatusCode:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        group.scope_spans.add().spans.add(
            trace_id=b"t" * 16, span_id=b"s" * 8, name="x", start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 1
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            metadata = (("authorization", f"Bearer {key}"),) if key else ()
            try:
                await TraceServiceStub(channel).Export(request, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                said.append(str(error.details()))
                return error.code()
        return grpc.StatusCode.OK

    try:
        assert await code(None, "crm") is await code("mp_wrong", "crm") is grpc.StatusCode.UNAUTHENTICATED
        assert await code(keys_of["query"], "crm") is grpc.StatusCode.PERMISSION_DENIED
        assert await code(keys_of["ingest:crm"], "sap") is grpc.StatusCode.PERMISSION_DENIED
        assert await code(keys_of["ingest:crm"], "crm") is grpc.StatusCode.OK
    finally:
        await door.stop()
    assert not any(key in text for key in keys_of.values() for text in said)
    assert behind.collector.rows("SELECT service FROM span") == [("crm",)]


# People


async def test_a_person_logs_in_looks_and_logs_out_everywhere(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client = await log_in(behind, "ada")
    assert (await client.get("/api/v1/overview")).status_code == 200
    refused = await client.post("/api/v1/dead-letters/discard", json={}, headers=OWN)
    assert (refused.status_code, refused.json()["title"]) == (403, "you may not do this: it needs act")
    token = client.cookies[COOKIE]
    assert (await client.post("/logout", headers=OWN)).status_code == 303
    again = behind.client()
    again.cookies.set(COOKIE, token)
    assert (await again.get("/api/v1/overview")).status_code == 401


async def test_who_tries_what_he_may_not_is_in_the_log_and_what_he_brought_is_not(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client = await log_in(behind, "ada")
    wrong = "mp_planted000.planted"
    with capture_logs() as logs:
        await client.post("/api/v1/dead-letters/discard", json={}, headers=OWN)
        await behind.client().get("/api/v1/overview", headers={"authorization": f"Bearer {wrong}"})
        await behind.client().get("/api/v1/overview")
    told = [(one["status"], one["by"], one["address"]) for one in logs if one["event"] == "refused"]
    assert told == [(403, "ada", PEER[0]), (401, "", PEER[0])]
    assert "planted" not in repr(logs)


async def test_what_opens_anything_is_256_random_bits_and_another_each_time(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    made = [behind.key("query", name=f"it{number}")[-43:] for number in range(20)]
    made += [(await log_in(behind, "ada")).cookies[COOKIE] for _ in range(3)]
    assert len(set(made)) == 23
    assert all(len(base64.urlsafe_b64decode(one[-43:] + "=")) == 32 for one in made)


async def test_who_logs_out_leaves_nothing_in_the_cache_of_the_browser(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client = await log_in(behind, "ada")
    assert (await client.post("/logout", headers=OWN)).headers["clear-site-data"] == '"cache"'


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    for scheme, name in (("http", COOKIE), ("https", SECURE_COOKIE)):
        answer = await behind.client(scheme=scheme).post(
            "/login", data={"name": "ada", "password": PASSWORD}, headers=OWN | {"origin": f"{scheme}://milepost"}
        )
        said = answer.headers["set-cookie"]
        assert said.startswith(f"{name}=")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(said.split("; "))
        assert ("Secure" in said) is (scheme == "https")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "http://evil.example"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_a_page_of_another_site_can_do_nothing_with_a_session(behind: Guarded, headers: dict[str, str]) -> None:
    behind.user("ada", "admin")
    client = await log_in(behind, "ada")
    answer = await client.post("/api/v1/dead-letters/discard", json={}, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.json()["title"]
    assert (await client.post("/logout", headers=headers)).status_code == 403
    assert (await client.get("/api/v1/overview", headers=headers)).status_code == 200


async def test_another_process_knows_a_session_as_soon_as_it_is_asked(behind: Guarded, database_url: str) -> None:
    behind.user("ada", "viewer")
    client = await log_in(behind, "ada")
    async with guarded(database_url) as other:
        other.roster._read_at -= 2
        there = other.client()
        there.cookies.set(COOKIE, client.cookies[COOKIE])
        assert (await there.get("/api/v1/overview")).status_code == 200


async def test_a_session_ends_by_itself_and_with_the_user(behind: Guarded) -> None:
    behind.user("ada", "operator")
    client = await log_in(behind, "ada")
    token = client.cookies[COOKIE]
    assert behind.roster.of_session(token, now() + USUAL.idle - SECOND) is not None
    assert behind.roster.of_session(token, now() + 3 * USUAL.idle) is None
    assert behind.roster.of_session(token, now() + USUAL.longest) is None
    with behind.conn.transaction():
        people.change(behind.conn, "ada", now(), role=PersonRole.VIEWER)
    behind.refresh()
    assert (await client.post("/api/v1/dead-letters/discard", json={}, headers=OWN)).status_code == 403
    with behind.conn.transaction():
        people.change(behind.conn, "ada", now(), disabled=True)
    behind.refresh()
    assert (await client.get("/api/v1/overview")).status_code == 401
    refused = await behind.client().post("/login", data={"name": "ada", "password": PASSWORD}, headers=OWN)
    assert refused.status_code == 401


async def test_how_long_sessions_hold_is_a_setting_and_a_shorter_one_holds_for_those_there_are(
    database_url: str,
) -> None:
    lengths = Lengths(idle=5 * 60 * SECOND, longest=HOUR)
    async with guarded(database_url, lengths=lengths) as behind:
        behind.user("ada", "viewer")
        client = behind.client()
        said = {"name": "ada", "password": PASSWORD}
        answer = await client.post("/login", data=said, headers=OWN)
        assert "max-age=3600" in answer.headers["set-cookie"].lower()
        token, began = client.cookies[COOKIE], now()
        assert behind.roster.of_session(token, began + lengths.idle - SECOND) is not None
        assert behind.roster.of_session(token, began + 3 * lengths.idle) is None
        assert behind.roster.of_session(token, began + lengths.longest) is None
        shorter = Roster(lengths=Lengths(idle=60 * SECOND, longest=10 * 60 * SECOND))
        shorter.read(behind.conn)
        for minute in range(10):
            assert shorter.of_session(token, began + minute * 60 * SECOND - SECOND) is not None
        assert shorter.of_session(token, began + 10 * 60 * SECOND) is None


async def test_whoever_guesses_is_stopped_and_others_are_not(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    client = behind.client()
    guess = {"name": "ada", "password": "wrong password"}
    answers = [await client.post("/login", data=guess, headers=OWN) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    right = await client.post("/login", data=guess | {"password": PASSWORD}, headers=OWN)
    assert right.status_code == 429
    await log_in(behind, "ada", peer=("198.51.100.7", 1))


async def test_the_page_that_was_asked_for_comes_after_the_login_and_never_that_of_another_site(
    behind: Guarded,
) -> None:
    behind.user("ada", "viewer")
    asked = await behind.client().get("/dashboard/worklist?verdict=stuck", headers={"accept": "text/html"})
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=%2Fdashboard%2Fworklist%3Fverdict%3Dstuck"
    for aim, place in (
        ("/dashboard/worklist?verdict=stuck", "/dashboard/worklist?verdict=stuck"),
        *((evil, "/dashboard/") for evil in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil")),
    ):
        said = {"name": "ada", "password": PASSWORD, "next": aim}
        answer = await behind.client().post("/login", data=said, headers=OWN)
        assert answer.headers["location"] == place
    page = await behind.client().get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]


async def test_a_proxy_says_who_somebody_is_only_if_it_is_trusted(database_url: str) -> None:
    async with guarded(database_url, forwarded=True) as behind:
        said = {"x-user": "grace", "x-groups": "all, ops"}
        proxy = behind.client(peer=("10.1.2.3", 1))
        assert (await proxy.get("/api/v1/overview", headers=said)).status_code == 200
        assert (await proxy.get("/api/v1/overview", headers=said | {"x-groups": "all"})).status_code == 401
        assert (await proxy.get("/api/v1/overview", headers={"x-groups": "ops"})).status_code == 401
        assert (await behind.client().get("/api/v1/overview", headers=said)).status_code == 401
        twice = [*said.items(), ("x-user", "root")]
        assert (await proxy.get("/api/v1/overview", headers=twice)).status_code == 401
        crossing = said | {"sec-fetch-site": "cross-site"}
        assert (await proxy.post("/api/v1/dead-letters/discard", json={}, headers=crossing)).status_code == 403


async def test_where_nobody_must_say_who_he_is_all_is_open_but_to_pages_of_other_sites(database_url: str) -> None:
    async with guarded(database_url, auth=False) as behind:
        client = behind.client()
        assert await send(client) == 200
        assert (await client.get("/api/v1/overview")).status_code == 200
        crossing = await client.post("/api/v1/dead-letters/discard", json={}, headers={"sec-fetch-site": "cross-site"})
        assert crossing.status_code == 403


async def test_names_that_nobody_can_have_are_only_wrong(behind: Guarded) -> None:
    behind.user("ada", "viewer")
    for name in ("ada\x00", "ada ", "", "x" * 5000, "ädä\n", "' OR 1=1 --"):
        said = {"name": name, "password": PASSWORD}
        answer = await behind.client(peer=(f"192.0.2.{len(name) % 200}", 1)).post("/login", data=said, headers=OWN)
        assert answer.status_code == 401, name
    for body, media in ((b"name=\xff", "application/x-www-form-urlencoded"), (b"{}", "application/json")):
        answer = await behind.client().post("/login", content=body, headers=OWN | {"content-type": media})
        assert answer.status_code == 400
    large = await behind.client().post("/login", data={"name": "a", "password": "x" * 9000}, headers=OWN)
    assert large.status_code == 400


async def test_guessing_tokens_makes_nobody_read_more_than_once_a_second(
    behind: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    behind.roster._read_at -= 5
    really = behind.roster.read
    monkeypatch.setattr(behind.roster, "read", lambda conn: (read.append(conn), really(conn)))
    for number in range(5):
        client = behind.client()
        client.cookies.set(COOKIE, f"guess-{number}")
        assert (await client.get("/api/v1/overview")).status_code == 401
    assert len(read) == 1


# What is recorded


async def test_an_act_is_recorded_with_who_when_from_where_and_what_it_changed(behind: Guarded) -> None:
    await send(behind.client(behind.key("ingest", name="crm")))
    behind.collector.project()
    (instance,) = behind.collector.rows("SELECT id::text FROM instance")
    behind.user("ada", "operator")
    client = await log_in(behind, "ada")
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    said = {"by": "somebody else", "reason": "known", "until": until}
    answer = await client.post(f"/api/v1/instances/{instance[0]}/waiver", json=said, headers=OWN)
    assert answer.status_code == 202, answer.text
    assert answer.json()["waiver"]["by"] == "ada"
    actions = [row["action"] for row in behind.recorded()]
    assert actions == ["key.created", "user.added", "login", "milepost.waived"]
    last = behind.recorded()[-1]
    assert (last["actor"], last["how"], last["address"]) == ("ada", "password", "203.0.113.9")
    assert instance[0] in last["object"]
    assert last["before"]["version"] == 1
    assert last["after"]["said"]["reason"] == "known"


async def test_an_act_that_cannot_be_recorded_is_not_done(behind: Guarded) -> None:
    await send(behind.client(behind.key("ingest", name="crm")))
    behind.collector.project()
    (instance,) = behind.collector.rows("SELECT id::text FROM instance")
    behind.conn.execute("ALTER TABLE audit RENAME TO elsewhere")
    behind.conn.commit()
    client = behind.client()
    client.headers["authorization"] = f"Bearer {(await _key_elsewhere(behind))}"
    said = {"reason": "known", "until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    transport = httpx.ASGITransport(behind.guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://milepost", headers=client.headers) as asking:
        answer = await asking.post(f"/api/v1/instances/{instance[0]}/waiver", json=said)
    assert answer.status_code == 500
    assert behind.collector.rows("SELECT FROM event WHERE source = 'milepost'") == []
    behind.conn.execute("ALTER TABLE elsewhere RENAME TO audit")
    behind.conn.commit()


async def _key_elsewhere(behind: Guarded) -> str:
    behind.conn.execute("ALTER TABLE elsewhere RENAME TO audit")
    behind.conn.commit()
    key = behind.key("act", name="bot")
    behind.conn.execute("ALTER TABLE audit RENAME TO elsewhere")
    behind.conn.commit()
    return key


async def test_a_key_speaks_for_whom_it_names_and_says_that_it_does(behind: Guarded) -> None:
    await send(behind.client(behind.key("ingest", name="crm")))
    behind.collector.project()
    (instance,) = behind.collector.rows("SELECT id::text FROM instance")
    client = behind.client(behind.key("act", name="chat-bot"))
    said = {"by": "ada", "reason": "known", "until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    answer = await client.post(f"/api/v1/instances/{instance[0]}/waiver", json=said)
    assert answer.json()["waiver"]["by"] == "ada (key chat-bot)"
    assert behind.recorded()[-1]["actor"].startswith("chat-bot (")


async def test_reading_what_was_sent_needs_more_than_looking_and_is_recorded(behind: Guarded) -> None:
    media = {"content-type": "application/cloudevents-batch+json"}
    sender = behind.client(behind.key("ingest", name="crm"))
    await sender.post("/events", json=[cloud_event(), {"id": "broken"}], headers=media)
    (number,) = behind.collector.rows("SELECT number FROM dead_letter")
    path = f"/api/v1/dead-letters/{number[0]}"
    assert (await behind.client(behind.key("query", name="look")).get(path)).status_code == 403
    assert (await behind.client(behind.key("act", name="op")).get(path)).status_code == 403
    answer = await behind.client(behind.key("raw", name="reader")).get(path)
    assert "broken" in answer.json()["body"]
    last = behind.recorded()[-1]
    assert (last["action"], last["object"]) == ("dead_letter.read", f"dead letter {number[0]}")
    said = {"ids": [str(number[0])], "by": "x", "because": "a test"}
    await behind.client(behind.key("act", name="op2")).post("/api/v1/dead-letters/discard", json=said)
    last = behind.recorded()[-1]
    assert (last["action"], last["before"]["open"]) == ("dead_letters.discarded", [number[0]])


async def test_what_events_say_is_masked_for_who_may_not_read_it_and_each_reading_is_recorded(behind: Guarded) -> None:
    sender = behind.client(behind.key("ingest", name="crm"))
    secret = {"order_id": "PO-7", "region": "emea", "iban": ["DE02 1203"], "person": {"born": 1990, "vip": True}}
    event = cloud_event(data=secret) | {"traceparent": "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01"}
    await sender.post("/events", json=event, headers=EVENTS)
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "sell"}
    span |= {"startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"}
    span |= {"attributes": [{"key": "db.statement", "value": {"stringValue": "of DE02 1203"}}]}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "crm"}}]}
    await sender.post("/v1/traces", json={"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]})
    behind.collector.project()
    (id_,) = behind.collector.rows("SELECT id::text FROM instance")[0]
    path = f"/api/v1/instances/{id_}"
    later = {"as_of": datetime.now(UTC).isoformat()}
    viewer = behind.client(behind.key("act", name="operator"))
    for asked in ({}, later):
        found = (await viewer.get(path, params=asked)).json()
        assert (found["masked"], found["may_read_raw"]) == (True, False)
        assert found["attributes"]["region"] == "emea"
        (one,) = found["events"]
        assert one["data"] == {
            "order_id": "•••", "region": "•••", "iban": ["•••"], "person": {"born": "•••", "vip": "•••"}
        }  # fmt: skip
        assert [(s["name"], s["attributes"]) for s in found["spans"]] == [("sell", {"db.statement": "•••"})]
        assert (await viewer.get(path, params=asked | {"raw": "true"})).status_code == 403
    reader = behind.client(behind.key("raw", name="reader"))
    assert (await reader.get(path)).json()["masked"] is True
    assert not [row for row in behind.recorded() if row["action"] == "instance.read_raw"]
    for asked in ({}, later):
        found = (await reader.get(path, params=asked | {"raw": "true"})).json()
        assert found["masked"] is False
        assert found["events"][0]["data"] == secret
        assert found["spans"][0]["attributes"] == {"db.statement": "of DE02 1203"}
    reads = [row for row in behind.recorded() if row["action"] == "instance.read_raw"]
    assert [(row["actor"].partition(" ")[0], row["object"]) for row in reads] == [("reader", f"instance {id_}")] * 2
    # Nothing is told that was not recorded.
    behind.conn.execute("ALTER TABLE audit RENAME TO audit_away")
    behind.conn.commit()
    with pytest.raises(psycopg.errors.UndefinedTable):
        await reader.get(path, params={"raw": "true"})
    behind.conn.execute("ALTER TABLE audit_away RENAME TO audit")
    behind.conn.commit()


async def test_what_stood_before_an_act_is_recorded_and_what_is_said_twice_is_noted_once(behind: Guarded) -> None:
    await send(behind.client(behind.key("ingest", name="crm")))
    behind.collector.project()
    (id_,) = behind.collector.rows("SELECT id::text FROM instance")[0]
    client = behind.client(behind.key("act", name="ops"))
    for to in ("ada", "bob"):
        said = {"act": "assign", "ids": [id_], "by": "x", "to": to, "request": str(uuid4())}
        assert (await client.post("/api/v1/instances/acts", json=said)).json()["done"] == 1
    last = behind.recorded()[-1]
    assert last["before"]["handled"] == [{"instance_id": id_, "assigned_to": "ada"}]
    assert (last["after"]["assigned_to"], last["after"]["request"]) == ("bob", said["request"])
    with behind.conn.transaction():
        (incident,) = behind.conn.execute(
            "INSERT INTO incident (id, dedup_key, verdict, workflow, status, severity, title, count, peak_count,"
            " noted_count, value, peak_value, oldest_since, samples, opened_at, updated_at) VALUES (gen_random_uuid(),"
            " 'x', 'stuck', 'order-to-cash', 'firing', 'warning', 'x', 1, 1, 1, '[]', '[]', now(), '{}', now(), now())"
            " RETURNING id::text"
        ).fetchone()  # type: ignore[misc]
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for name, more in (("assign", {"to": "ada"}), ("postpone", {"until": until, "reason": "x"}), ("acknowledge", {})):
        answer = await client.post(f"/api/v1/incidents/{incident}/{name}", json={"by": "jo", **more})
        assert answer.status_code == 200, answer.text
    last = behind.recorded()[-1]
    assert last["action"] == "incident.acknowledge"
    assert last["before"]["assignee"] == "ada"
    assert last["before"]["postponed_until"] is not None
    assert last["before"]["acknowledged_by"] is None
    request = str(uuid4())
    for _ in range(2):
        said = {"by": "jo", "text": "once", "request": request}
        assert (await client.post(f"/api/v1/incidents/{incident}/comment", json=said)).status_code == 200
        silenced = {"by": "jo", "reason": "x", "match": {"domain": "orders"}, "until": until, "request": request}
        assert (await client.post("/api/v1/silences", json=silenced)).status_code == 201
    assert behind.collector.rows("SELECT count(*) FROM incident_event WHERE what = 'commented'") == [(1,)]
    ((silence,),) = behind.collector.rows("SELECT id::text FROM silence")
    answer = await client.post(f"/api/v1/incidents/{incident}/comment", json={"by": "jo", "text": "x", "request": "7"})
    assert answer.json()["faults"] == [{"field": "request", "message": "must be a UUID"}]
    await client.request("DELETE", f"/api/v1/silences/{silence}", json={"by": "jo"})
    last = behind.recorded()[-1]
    assert (last["action"], last["before"]["reason"]) == ("silence.ended", "x")


async def test_what_people_do_to_instances_and_silences_is_recorded_under_their_own_name(behind: Guarded) -> None:
    await send(behind.client(behind.key("ingest", name="crm")))
    behind.collector.project()
    (instance,) = behind.collector.rows("SELECT id::text FROM instance")
    behind.user("ada", "operator")
    client = await log_in(behind, "ada")
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    silence = {"by": "eve", "reason": "a test", "match": {"workflow": "order-to-cash"}, "until": until}
    answer = await client.post("/api/v1/silences", json=silence, headers=OWN)
    assert answer.status_code == 201, answer.text
    handled = {"act": "assign", "ids": [instance[0]], "by": "eve", "to": "grace"}
    answer = await client.post("/api/v1/instances/acts", json=handled, headers=OWN)
    assert answer.status_code == 200, answer.text
    made, assigned = behind.recorded()[-2:]
    assert (made["action"], assigned["action"]) == ("silence.made", "instances.assign")
    assert {made["actor"], made["after"]["said"]["by"], assigned["actor"], assigned["after"]["by"]} == {"ada"}
    assert assigned["after"]["instances"] == [instance[0]]


# Secrets


async def test_what_shows_who_somebody_is_is_in_no_answer_no_log_no_metric_and_no_repr(
    behind: Guarded, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    key, password = behind.key("ingest:crm", "query"), "planted-password-4711"
    secret = key.rpartition("_")[2] if "_" not in key[14:] else key[14:]
    behind.user("ada", "viewer")
    client = behind.client(key)
    texts = []
    for answer in (
        await client.get("/api/v1/overview"),
        await client.get("/api/v1/instances", params={"limit": "x"}),
        await client.post("/events", json=cloud_event(source="desk"), headers=EVENTS),
        await client.post("/api/v1/dead-letters/discard", json={}),
        await behind.client(key[:-1] + "-").get("/api/v1/overview"),
        await behind.client().get("/api/v1/overview", headers={"authorization": f"Basic {key}"}),
        await behind.client().post("/login", data={"name": "ada", "password": password}, headers=OWN),
    ):
        texts += [answer.text, str(answer.headers)]
    logged_in = await log_in(behind, "ada")
    token = logged_in.cookies[COOKIE]
    texts += [(await logged_in.get("/api/v1/overview")).text, (await behind.client().get("/login")).text]
    behind.refresh()
    texts += [generate_latest().decode(), caplog.text, *capsys.readouterr(), str(behind.recorded())]
    texts += [repr(vars(behind.roster)), repr(vars(behind.guard)), repr(keys.listed(behind.conn))]
    texts += [repr(people.listed(behind.conn))]
    whole = "\n".join(texts)
    for planted in (secret, password, PASSWORD, token):
        assert planted not in whole
    for table in ("api_key", "person", "session", "audit"):
        stored = str(behind.collector.rows(f"SELECT * FROM {table}"))
        assert not any(planted in stored for planted in (secret, password, PASSWORD, token))
    assert acting.get() is None
