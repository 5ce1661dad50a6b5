"""Whoever may see some workflows only learns of no other that it is there, whatever he asks."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Table

from collector.access import people
from collector.access.guard import Guard
from collector.access.principal import How, Principal, acting
from collector.access.sight import NOTHING, Sight
from collector.query.query import Query
from collector.query.reader import Q
from collector.query.sight import TABLES, UNSHADOWED, Seen, in_sight
from collector.store import access_tables, alerting_tables, handling_tables, receiving_tables, tables
from collector.store.metadata import metadata
from dashboard.app import build_dashboard
from dashboard.mount import mount
from tests.integration.fix_access import Guarded, guarded
from tests.integration.fix_doors import DEFINITIONS, cloud_event
from tests.integration.test_access import log_in

HIDDEN = """
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: hidden-claims, domain: hidden-domain, owner: hidden-owner, title: Hidden claims}
spec:
  entity: hidden-claim
  keys:
    hidden_claim: {path: data.claim}
    account: {path: data.account_id, joins: false}
  attributes: {ailment: data.ailment}
  milestones:
    - {name: hidden_filed, on: {exact: {source: hidden-desk, type: claim.filed}}, starts: true}
    - {name: hidden_paid, on: {exact: {source: hidden-bank, type: claim.paid}}, within: {warn: 1s, breach: 2s}, completes: true, owner: hidden-payers}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: hidden-objective, owner: hidden-owner}
spec: {workflow: hidden-claims, latency: {from: hidden_filed, to: hidden_paid, within: 4h}, target: 0.99, missing_data: bad, window: 30d}
"""
ORDERS = ["domain:orders"]
WORD = re.compile(r"hidden[-_ ]\w", re.IGNORECASE)


@dataclass
class Told:
    """A collector of whose two domains somebody may see one, with ids of what he may not."""

    behind: Guarded
    order: str
    claim: str
    ours: str
    theirs: str
    shared: str

    def client(self, *scopes: str, sees: list[str] | None = None, name: str = "somebody") -> httpx.AsyncClient:
        return self.behind.client(self.behind.key(*(scopes or ("query",)), name=name, sees=sees))


def _incident(conn: Any, workflow: str | None, workflows: list[str], domains: list[str], samples: list[str]) -> str:
    row = conn.execute(
        """
        INSERT INTO incident (id, dedup_key, verdict, workflow, waiting_for, source, status, severity, title, count,
                              peak_count, noted_count, value, peak_value, oldest_since, owner, domain, owners, domains,
                              workflows, samples, opened_at, updated_at)
        VALUES (gen_random_uuid(), %(title)s, 'blind', %(workflow)s, 'x', 'x', 'firing', 'high', %(title)s, 1, 1, 1,
                '[]', '[]', now(), 'x', %(domain)s, '{}', %(domains)s, %(workflows)s, %(samples)s::uuid[], now(), now())
        RETURNING id
        """,
        {"workflow": workflow, "workflows": workflows, "domains": domains, "domain": domains[0], "samples": samples,
         "title": f"held up: {' '.join(workflows)}"},
    ).fetchone()  # fmt: skip
    conn.execute(
        "INSERT INTO incident_event (incident_id, at, what, detail, by) VALUES (%s, now(), 'commented', %s, 'ada')",
        (row[0], f"of {workflows}"),
    )
    conn.execute(
        "WITH told AS (INSERT INTO outbox (message_id, incident_id, target, kind, transition, reason, notice,"
        " next_attempt_at, created_at) VALUES (%s, %s, 'chat', 'slack', 'firing', 'opened', '{}', now(), now()) RETURNING id)"
        " INSERT INTO delivery (outbox_id, attempt, at, fate, reason, sent, answer)"
        " SELECT id, 1, now(), 'delivered', 'x', %s, '' FROM told",
        (str(row[0]), row[0], f"of {workflows}"),
    )
    return str(row[0])


@pytest.fixture
async def told(database_url: str) -> AsyncIterator[Told]:
    async with guarded(database_url, definitions=DEFINITIONS + HIDDEN) as behind:
        collector = behind.collector
        order = cloud_event("o1", data={"order_id": "PO-1", "account_id": "ACME", "amount": 10, "currency": "EUR"})
        claim = cloud_event(
            "hidden-event",
            source="hidden-desk",
            type="claim.filed",
            data={"claim": "HIDDEN-1", "account_id": "ACME", "ailment": "hidden ailment"},
        )
        lost = cloud_event("lost", source="hidden-desk", type="claim.filed", data={"claim": "", "account_id": "HIDDEN"})
        stray = cloud_event("stray", source="hidden-stray", type="hidden.type")
        sender = behind.client(behind.key("ingest", name="sender"))
        media = {"content-type": "application/cloudevents-batch+json"}
        answer = await sender.post("/events", json=[order, claim, lost, stray], headers=media)
        assert answer.status_code == 200, answer.text
        collector.project()
        ids = dict(collector.rows("SELECT workflow, id::text FROM instance"))
        conn = behind.conn
        with conn.transaction():
            mine = _incident(conn, "order-to-cash", ["order-to-cash"], ["orders"], [ids["order-to-cash"]])
            theirs = _incident(conn, "hidden-claims", ["hidden-claims"], ["hidden-domain"], [ids["hidden-claims"]])
            both = _incident(conn, None, ["hidden-claims", "order-to-cash"], ["hidden-domain", "orders"], [])
            conn.execute(
                "INSERT INTO saved_view VALUES ('ours', 'workflow=order-to-cash', 'ada', now()),"
                " ('hidden view', 'workflow=hidden-claims', 'ada', now()), ('hidden words', 'q=ACME', 'ada', now())"
            )
            conn.execute(
                "INSERT INTO silence (id, match, since, until, owner, by, reason, created_at)"
                " SELECT gen_random_uuid(), m::jsonb, now(), now() + '1h', 'ada', 'ada', m, now() FROM unnest(%s::text[]) m",
                ([json.dumps({"domain": {"in": [one]}}) for one in ("orders", "hidden-domain")],),
            )
            for id_, who in ((ids["order-to-cash"], "ada"), (ids["hidden-claims"], "hidden-hand")):
                conn.execute("INSERT INTO instance_handling (instance_id, assigned_to) VALUES (%s, %s)", (id_, who))
                conn.execute(
                    "INSERT INTO instance_note (instance_id, at, act, by, text, request)"
                    " VALUES (%s, now(), 'comment', %s, %s, gen_random_uuid())",
                    (id_, who, who),
                )
        yield Told(behind, ids["order-to-cash"], ids["hidden-claims"], mine, theirs, both)


def questions(openapi: dict[str, Any], told: Told) -> list[tuple[str, str]]:
    """Every GET route of the application with every value for its places that means something, as (route, address)."""
    values = {
        "id": [told.order, told.claim, told.ours, told.theirs, told.shared, "1", "2"],
        "name": ["order-to-cash", "hidden-claims", "orders-accepted-in-time", "hidden-objective", "workflow:hidden-claims"],
        "namespace": ["account", "hidden_claim", "order"],
        "value": ["ACME", "HIDDEN-1", "PO-1"],
        "rest": ["protocol"],
    }  # fmt: skip
    asked = {
        "q": ["hidden", "HIDDEN-1", "PO-1", "ACME"], "workflow": ["order-to-cash", "hidden-claims"],
        "domain": ["orders", "hidden-domain"], "owner": ["hidden-payers"], "key": ["ACME", "hidden_claim=HIDDEN-1"],
        "verdict": ["on_track", "stuck"], "assigned_to": ["nobody", "hidden-hand"], "source": ["hidden-desk"],
        "source_awaited": ["hidden-bank"], "due_within_seconds": ["86400"], "as_of": ["2099-01-01T00:00:00Z"],
        "sort": ["chance", "title"], "outcome": ["good"], "min_age_seconds": ["0"], "known_at": ["2099-01-01T00:00:00Z"],
    }  # fmt: skip
    found: list[tuple[str, str]] = []
    for path, methods in openapi["paths"].items():
        if "get" not in methods or path == "/metrics":
            continue
        places = re.findall(r"{(\w+)}", path)
        parameters = {one["name"]: one for one in methods["get"].get("parameters", ()) if one["in"] == "query"}
        assert set(places) <= set(values), f"say what stands in {path}"
        for chosen in itertools.product(*(values[one] for one in places)):
            address = path
            for place, value in zip(places, chosen, strict=True):
                address = address.replace(f"{{{place}}}", value)
            needed = [name for name, one in parameters.items() if one.get("required")]
            for filled in itertools.product(*(asked[name] for name in needed)):
                said = dict(zip(needed, filled, strict=True))
                found.append((path, str(httpx.URL(address, params=said))))
                found += [
                    (path, str(httpx.URL(address, params=said | {name: value})))
                    for name in parameters
                    if name not in needed
                    for value in asked.get(name, ())
                ]
    return found


async def tells(client: httpx.AsyncClient, told: Told) -> dict[str, list[str]]:
    """The routes that say anything of what is hidden, with where they do."""
    openapi = told.behind.collector.api.openapi()
    found: dict[str, list[str]] = {}
    for route, address in questions(openapi, told):
        answer = await client.get(address)
        assert answer.status_code in (200, 400, 401, 403, 404, 422), (address, answer.text)
        # What was asked for may be said again, as what somebody has not found.
        said = answer.text if answer.status_code == 200 else ""
        for secret in (told.claim, told.theirs, told.shared):
            assert secret not in said or secret in address or client.headers.get("x-all"), address
        echoed = {value for _, value in httpx.URL(address).params.multi_items()} if answer.status_code != 200 else set()
        if WORD.search(said) and not echoed:
            found.setdefault(route, []).append(f"{address}: {said[:300]}")
        elif answer.status_code == 200 and any(one in answer.text for one in (told.claim, told.theirs, told.shared)):
            found.setdefault(route, []).append(address)
    return found


async def test_no_route_of_the_api_tells_of_what_is_not_in_sight(told: Told) -> None:
    whole = told.client("admin", name="whole")
    whole.headers["x-all"] = "1"
    everything = await tells(whole, told)
    # What the test can see at all: a route that is missing here would prove nothing below.
    assert set(everything) >= {
        "/api/v1/overview", "/api/v1/workflows", "/api/v1/workflows/{name}/flow", "/api/v1/instances", "/api/v1/views",
        "/api/v1/instances/export", "/api/v1/instances/{id}", "/api/v1/accounts/{namespace}/{value}", "/api/v1/search",
        "/api/v1/incidents", "/api/v1/incidents/{id}", "/api/v1/incidents/{id}/attempts", "/api/v1/sources",
        "/api/v1/assignees", "/api/v1/dead-letters", "/api/v1/dead-letters/{id}", "/api/v1/silences", "/api/v1/outlook",
        "/api/v1/objectives", "/api/v1/objectives/{name}", "/api/v1/objectives/{name}/periods", "/api/v1/forecast",
        "/api/v1/differences", "/api/v1/instances/{id}/forecast",
    }  # fmt: skip
    # Twice, and after somebody who sees all: what is kept for a while is not handed on.
    narrow = told.client("admin", sees=ORDERS, name="narrow")
    assert await tells(narrow, told) == {}
    assert await tells(narrow, told) == {}
    assert await tells(told.client("admin", sees=["workflow:order-to-cash"], name="by-name"), told) == {}


async def test_what_is_in_sight_is_told_whole(told: Told) -> None:
    client = told.client(sees=ORDERS)
    page = (await client.get("/api/v1/instances")).json()
    assert [one["id"] for one in page["items"]] == [told.order]
    assert page["total"] == 1
    overview = (await client.get("/api/v1/overview")).json()
    assert [(one["domain"], one["open"]) for one in overview["domains"]] == [("orders", 1)]
    assert overview["events_total"] == 1
    assert {one["source"] for one in overview["sources"]} <= {"crm", "sap", "shop"}
    account = (await client.get("/api/v1/accounts/account/ACME")).json()
    assert (account["total"], [one["domain"] for one in account["domains"]]) == (1, ["orders"])
    assert [one["id"] for one in (await client.get("/api/v1/incidents")).json()["items"]] == [told.ours]
    assert (await client.get("/api/v1/assignees")).json() == {"items": ["ada"]}
    assert [one["name"] for one in (await client.get("/api/v1/views")).json()["items"]] == ["ours"]
    for path in (f"/api/v1/instances/{told.order}", f"/api/v1/incidents/{told.ours}", "/api/v1/outlook",
                 "/api/v1/objectives/orders-accepted-in-time/contributors", "/api/v1/instances/export"):  # fmt: skip
        assert (await client.get(path)).status_code == 200, path
    nothing = told.client(sees=["domain:of-nobody"], name="nothing")
    assert (await nothing.get("/api/v1/instances")).json()["total"] == 0
    assert (await nothing.get("/api/v1/overview")).json()["domains"] == []


async def test_a_route_that_forgets_who_asks_is_found(told: Told) -> None:
    reader = told.behind.collector.reader

    @told.behind.collector.api.get("/api/v1/forgotten")
    async def forgotten() -> list[str]:
        return [row["title"] for row in await reader.all("search", {"text": "HIDDEN", "prefix": "HIDDEN%", "limit": 5})]

    told.behind.collector.api.openapi_schema = None
    assert list(await tells(told.client(sees=ORDERS), told)) == ["/api/v1/forgotten"]


async def test_the_pages_show_what_is_in_sight_alone(told: Told) -> None:
    query = Query(told.behind.collector.reader, told.behind.collector.catalogue)
    pages = mount(told.behind.collector.api, build_dashboard(query))
    guard = Guard(pages, told.behind.roster, told.behind.pool)
    found = {}
    for name, sees in (("narrow", ORDERS), ("whole", None)):
        key = told.behind.key("query", name=name, sees=sees)
        headers = {"authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://milepost", headers=headers) as client:
            for region in ("overview", "definitions", "incidents", "instance"):
                asked = {"id": told.claim} if region == "instance" else {}
                found[name, region] = await _drawn(client, region, asked)
    for region in ("overview", "definitions", "incidents"):
        assert not WORD.search(found["narrow", region]), region
        assert re.search("[Oo]rder[ -]to[ -]cash|held up: order", found["narrow", region]), region
    for region in ("overview", "definitions", "incidents", "instance"):
        assert WORD.search(found["whole", region]), region
    assert not WORD.search(found["narrow", "instance"])


async def _drawn(client: httpx.AsyncClient, region: str, asked: dict[str, Any]) -> str:
    """What a page is filled with, as the browser asks for it."""
    dependencies = (await client.get("/dashboard/_dash-dependencies")).json()
    (one,) = [d for d in dependencies if f"{region}-regions.data" in d["output"] and not d["clientside_function"]]
    outputs = [name.rpartition(".") for name in one["output"].strip(".").split("...")]
    values = {"tick": 1, f"{region}-ask": asked}
    body = {
        "output": one["output"],
        "outputs": [{"id": id_, "property": prop} for id_, _, prop in outputs],
        "inputs": [i | {"value": values.get(i["id"])} for i in one["inputs"]],
        "state": [s | {"value": values.get(s["id"])} for s in one["state"]],
        "changedPropIds": ["tick.n_intervals"],
    }
    answer = await client.post("/dashboard/_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_metrics_are_of_all_workflows_and_not_for_who_sees_some(told: Told) -> None:
    assert (await told.client(sees=ORDERS).get("/metrics")).status_code == 403
    assert (await told.client(name="all").get("/metrics")).status_code == 200


async def test_acts_outside_are_refused_as_if_there_were_nothing(told: Told) -> None:
    client = told.client("act", sees=ORDERS)
    later = "2099-01-01T00:00:00Z"
    waived = {"by": "ada", "reason": "x", "until": later}
    for path, said in (
        (f"/api/v1/instances/{told.claim}/waiver", waived),
        (f"/api/v1/instances/{told.claim}/rejected-joins", {"by": "a", "reason": "x", "source": "hidden-desk", "event": "hidden-event"}),
        (f"/api/v1/instances/{told.claim}/version", {"by": "a", "reason": "x", "version": 1}),
        (f"/api/v1/incidents/{told.theirs}/acknowledge", {"by": "a"}),
        (f"/api/v1/incidents/{told.shared}/comment", {"by": "a", "text": "x"}),
    ):  # fmt: skip
        answer = await client.post(path, json=said)
        assert answer.status_code == 404, (path, answer.text)
        assert not WORD.search(answer.text)
    for act, more in (("comment", {"text": "x"}), ("assign", {"to": "x"}), ("acknowledge", {}), ("waive", {"text": "x", "until": later})):  # fmt: skip
        said = {"act": act, "ids": [told.claim, told.order], "by": "ada", **more}
        items = (await client.post("/api/v1/instances/acts", json=said)).json()["items"]
        assert items[0] == {
            "id": told.claim,
            "title": None,
            "done": False,
            "faults": [{"field": "id", "message": "there is no such instance"}],
        }
        assert act == "waive" or items[1]["done"], (act, items)
    rows = told.behind.collector.rows
    assert rows("SELECT DISTINCT act FROM instance_note WHERE by = 'hidden-hand'") == [("comment",)]
    assert rows(f"SELECT count(*) FROM instance_note WHERE instance_id = '{told.claim}'") == [(1,)]
    answer = await client.post(
        "/api/v1/dead-letters/discard", json={"by": "a", "because": "x", "source": "hidden-desk"}
    )
    assert answer.json() == {"ids": []}
    # The name is taken: that is all he learns.
    answer = await client.put(
        "/api/v1/views/hidden view", json={"query": "workflow=order-to-cash", "by": "a", "replace": True}
    )
    assert answer.status_code == 409
    assert (await client.delete("/api/v1/views/hidden view")).status_code == 404
    assert rows("SELECT query FROM saved_view WHERE name = 'hidden view'") == [("workflow=hidden-claims",)]


async def test_who_sees_some_silences_only_what_he_names(told: Told) -> None:
    client = told.client("act", sees=ORDERS)
    said = {"by": "a", "reason": "x", "until": "2026-12-31T00:00:00Z"}
    until = told.behind.collector.rows("SELECT (now() + '1h')::text")[0][0].replace(" ", "T").replace("+00", "Z")
    said["until"] = until
    for match in ({"severity": "critical"}, {"domain": "hidden-domain"}, {"domain": ["orders", "hidden-domain"]}, {"domain": {"not": ["x"]}}):  # fmt: skip
        answer = await client.post("/api/v1/silences", json=said | {"match": match})
        assert answer.status_code == 400, answer.text
    for match in ({"domain": "orders", "severity": "critical"}, {"workflow": "order-to-cash"}):
        answer = await client.post("/api/v1/silences", json=said | {"match": match})
        assert answer.status_code == 201, answer.text
    theirs = told.behind.collector.rows("SELECT id::text FROM silence WHERE reason LIKE '%hidden%'")[0][0]
    gone = await client.request("DELETE", f"/api/v1/silences/{theirs}", json={"by": "a"})
    assert gone.status_code == 404


async def test_a_person_sees_what_he_was_given_and_no_more_as_soon_as_it_is_changed(told: Told) -> None:
    told.behind.user("ada", "operator", ORDERS)
    client = await log_in(told.behind, "ada")
    assert (await client.get("/api/v1/instances")).json()["total"] == 1
    with told.behind.conn.transaction():
        people.change(told.behind.conn, "ada", 1, sees=("all",))
    told.behind.refresh()
    assert (await client.get("/api/v1/instances")).json()["total"] == 2
    with told.behind.conn.transaction():
        people.change(told.behind.conn, "ada", 1, sees=["workflow:hidden-claims"])
    told.behind.refresh()
    assert [one["id"] for one in (await client.get("/api/v1/instances")).json()["items"]] == [told.claim]


async def test_every_statement_that_is_asked_works_for_who_sees_some(told: Told) -> None:
    conn, seen = told.behind.conn, Seen(("order-to-cash",), ("x",), ("crm",), frozenset(("orders",)), frozenset())
    skipped = {"keep_period"}
    for name, statement in Q.items():
        if name in skipped:
            continue
        nothing = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)) or None
        outcomes = []
        for asked in ((statement, nothing), in_sight(statement, nothing, seen)):
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute(*asked)
                outcomes.append("")
            except psycopg.Error as error:
                outcomes.append(type(error).__name__)
        assert outcomes[0] == outcomes[1], (name, outcomes)


def test_of_every_table_somebody_has_decided_who_sees_what() -> None:
    files = (access_tables, alerting_tables, handling_tables, receiving_tables, tables)
    assert {metadata.tables[name] for name in ("audit", "outbox", "saved_view", "receiver_spool", "event")} <= {
        one for file in files for one in vars(file).values() if isinstance(one, Table)
    }
    known = {table.name for table in metadata.sorted_tables}
    assert known == TABLES.keys() | UNSHADOWED.keys()
    assert not TABLES.keys() & UNSHADOWED.keys()


NO_QUESTIONS = ("replica", "for_asker", "shared", "of_version", "export", "instance")


async def test_every_question_is_asked_for_whoever_asks(told: Told) -> None:
    query = Query(told.behind.collector.reader, told.behind.collector.catalogue)
    for name, method in vars(Query).items():
        if not name.startswith("_") and callable(method) and name not in NO_QUESTIONS:
            assert hasattr(method, "__wrapped__"), f"{name} is no _question"
    with_sight = Principal("x", How.KEY, frozenset(("query",)), sight=Sight(frozenset(("orders",))))
    token = acting.set(with_sight)
    try:
        narrow = query.for_asker()
        assert narrow is query.for_asker() is narrow.for_asker() is not query
        assert {one["name"] for one in (await query.workflows())["items"]} == {"order-to-cash"}
    finally:
        acting.reset(token)
    token = acting.set(Principal("y", How.KEY, frozenset(("query",)), sight=NOTHING))
    try:
        assert (await query.workflows())["items"] == []
    finally:
        acting.reset(token)
