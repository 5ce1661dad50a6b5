# ruff: noqa: F811
"""The query API over HTTP: every filter against plain Python over the unfiltered rows, paging, refusals, health."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import generate_latest

from collector import metrics
from collector.ingest import cloudevents
from collector.log import append
from collector.projector import Projector
from collector.store.database import BY_INDEX, connect
from slo_rules.definitions import load
from tests.fix_postgres import Server
from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event, collector, running  # noqa: F401

ORDERS = 60
ODD_KEYS = ("A%B", "A_B", "AXB", "A\\B", "a%b", "100%", "_", "Ünï", "k=v", "it's", "{x}")
Rows = list[dict[str, Any]]


def _events() -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC).replace(microsecond=0)

    def event(number: str, type_: str, at: datetime, data: dict[str, Any], source: str = "crm") -> dict[str, Any]:
        return cloud_event(f"{type_}-{number}", source=source, type=type_, time=at.isoformat(), data=data)

    for number in range(ORDERS):
        order = {"order_id": f"O-{number:03}"}
        # Many start at one instant and are worth the same: ties in every order.
        started = now - timedelta(hours=(1, 3.5, 30, 30, 200)[number % 5])
        said: dict[str, Any] = {
            "region": ("EMEA", "APAC", "Latin America")[number % 3],
            "account_id": f"ACME-{number % 7}",
        }
        if number % 4:
            said |= {"amount": (100, 100.5, 99999)[number % 3], "currency": ("USD", "EUR")[number % 2]}
        yield event(f"{number}", "order.created", started, order | said)
        if number % 6 in (1, 2):
            yield event(f"{number}", "sales_order.created", started + timedelta(hours=1), order, "sap")
        if number % 10 == 3:
            yield event(f"{number}", "order.rejected", started + timedelta(hours=2), order, "sap")
        if number % 10 == 7:
            yield event(f"{number}", "order.cancelled", started + timedelta(hours=2), order)
    for number, key in enumerate(ODD_KEYS):
        yield event(
            f"odd{number}", "order.created", now - timedelta(hours=1), {"order_id": key, "tier": f"100% {key}_"}
        )
    for number in range(5):
        yield event(f"{number}", "ticket.opened", now - timedelta(days=number), {"ticket_id": f"T-{number}"}, "desk")
    yield event("orphan", "sales_order.created", now - timedelta(hours=3), {"order_id": "O-orphan"}, "sap")
    yield event("ahead", "heartbeat", now + timedelta(minutes=8), {}, "shop")
    # Every source is up to date, so that nothing is blind.
    for source in ("crm", "sap", "desk", "shop"):
        yield event(source, "heartbeat", now, {}, source)


@pytest.fixture(scope="module")
def populated_url(postgres: Server) -> Iterator[str]:
    """A database with all of that projected."""
    from collector.catalogue import register

    url = postgres.clone()
    rows, refused = cloudevents.decode([json.dumps(one).encode() for one in _events()], 0)
    assert not refused
    with connect(url, "test") as conn, connect(url, "projector", options=BY_INDEX) as projecting:
        projector = Projector(register(conn, load({"definitions.yaml": DEFINITIONS})))
        with conn.transaction():
            append(conn, rows, [], [])
        assert projector.acquire(projecting)
        projector.cycle(projecting)
    yield url
    postgres.drop(url)


@pytest.fixture
async def api(populated_url: str) -> AsyncIterator[Collector]:
    async with running(populated_url) as made:
        yield made


async def everything(api: Collector) -> Rows:
    page = await api.get("/api/v1/instances", limit=500)
    rows: Rows = page["items"]
    assert page["total"] == len(rows) == ORDERS + len(ODD_KEYS) + 5 + 1
    assert page["next_cursor"] is None
    return rows


def titles(rows: Rows) -> list[str]:
    return sorted(row["title"] for row in rows)


def has_key(row: dict[str, Any], value: str, namespace: str | None = None) -> bool:
    return any(key["value"] == value and namespace in (None, key["namespace"]) for key in row["keys"])


FILTERS: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ({"workflow": "ticket"}, lambda row: row["workflow"] == "ticket"),
    ({"workflow": "nothing"}, lambda row: False),
    ({"domain": "orders"}, lambda row: row["domain"] == "orders"),
    ({"verdict": "stuck"}, lambda row: row["verdict"] == "stuck"),
    ({"verdict": ["stuck", "failed"]}, lambda row: row["verdict"] in ("stuck", "failed")),
    ({"verdict": ["cancelled", "due_soon"], "domain": "orders"}, lambda row: row["verdict"] in ("cancelled", "due_soon")),
    ({"owner": "erp-platform"}, lambda row: row["owner"] == "erp-platform"),
    ({"source_awaited": "sap"}, lambda row: row["source_awaited"] == "sap"),
    ({"waiting_for": "entitlement_active"}, lambda row: row["waiting_for"] == "entitlement_active"),
    ({"key": "ACME-3"}, lambda row: has_key(row, "ACME-3")),
    ({"key": "account=ACME-3"}, lambda row: has_key(row, "ACME-3")),
    ({"key": "order=ACME-3"}, lambda row: False),
    ({"key": "ACME"}, lambda row: False),
    ({"key": "order=k=v"}, lambda row: has_key(row, "k=v")),
    ({"min_value": 100.5}, lambda row: row["value"] is not None and row["value"]["amount"] >= 100.5),
    ({"q": "latin"}, lambda row: row["attributes"].get("region") == "Latin America"),
    ({"q": "AMERICA latin"}, lambda row: row["attributes"].get("region") == "Latin America"),
    ({"q": "O-00"}, lambda row: row["title"].startswith("O-00")),
    ({"q": "ACME-5"}, lambda row: has_key(row, "ACME-5")),
    ({"q": "emea o-03"}, lambda row: row["attributes"].get("region") == "EMEA" and "O-03" in row["title"]),
    ({"q": "no such words"}, lambda row: False),
    ({"reason": "orphan"}, lambda row: row["title"] == "O-orphan"),
    ({"min_age_seconds": 86_400}, lambda row: _age(row) >= timedelta(days=1)),
    ({"workflow": "order-to-cash", "verdict": "stuck", "key": "account=ACME-2", "min_value": 100}, lambda row: (
        row["verdict"] == "stuck" and has_key(row, "ACME-2") and row["value"] is not None and row["value"]["amount"] >= 100)),
]  # fmt: skip


def _age(row: dict[str, Any]) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(row["stuck_since"] or row["started_at"])


@pytest.mark.parametrize(("parameters", "holds"), FILTERS, ids=[str(parameters) for parameters, _ in FILTERS])
async def test_filters(api: Collector, parameters: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> None:
    wanted = [row for row in await everything(api) if holds(row)]
    page = await api.get("/api/v1/instances", limit=500, **parameters)
    assert titles(page["items"]) == titles(wanted)
    assert page["total"] == len(wanted)
    worth: Counter[str] = Counter()
    for row in wanted:
        if row["value"]:
            worth[row["value"]["currency"]] += row["value"]["amount"]
    assert {one["currency"]: one["amount"] for one in page["value"]} == dict(worth)


async def test_the_data_is_worth_filtering(api: Collector) -> None:
    rows = await everything(api)
    verdicts = Counter(row["verdict"] for row in rows)
    assert verdicts.keys() == {"on_track", "due_soon", "stuck", "failed", "inconsistent", "cancelled"}
    for parameters, holds in FILTERS:
        count = sum(map(holds, rows))
        assert count < len(rows)
        assert count > 0 or "no" in str(parameters) or parameters["key"] in ("order=ACME-3", "ACME")


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_what_means_something_to_like_means_nothing_in_a_search(api: Collector, key: str) -> None:
    by_words = await api.get("/api/v1/instances", q=key, limit=500)
    lowered = key.lower()
    wanted = [
        row for row in await everything(api)
        if any(one["value"].startswith(key) for one in row["keys"])
        or lowered in f"{row['title']} {' '.join(map(str, row['attributes'].values()))}".lower()
    ]  # fmt: skip
    assert titles(by_words["items"]) == titles(wanted)
    by_prefix = await api.get("/api/v1/search", q=key, limit=50)
    assert {one["key"]["value"] for one in by_prefix["items"]} == {odd for odd in ODD_KEYS if odd.startswith(key)}
    assert by_prefix["items"][0]["key"] == {"namespace": "order", "value": key, "joins": True}
    (exact,) = (await api.get("/api/v1/instances", key=f"order={key}"))["items"]
    assert exact["title"] == key


async def test_search(api: Collector) -> None:
    found = await api.get("/api/v1/search", q=" O-01 ", limit=50)
    assert sorted(one["title"] for one in found["items"]) == [f"O-{number:03}" for number in range(10, 20)]
    assert found["items"][0].keys() == {"id", "title", "workflow", "verdict", "key"}
    assert len((await api.get("/api/v1/search", q="O-"))["items"]) == 10
    assert (await api.get("/api/v1/search", q=" "))["items"] == []
    assert (await api.get("/api/v1/search", q="\x00"))["items"] == []


# Order and pages

FIELDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "deadline_at": lambda row: row["deadline_at"],
    "stuck_since": lambda row: row["stuck_since"],
    "updated_at": lambda row: row["updated_at"],
    "started_at": lambda row: row["started_at"],
    "value": lambda row: row["value"]["amount"] if row["value"] else None,
    "title": lambda row: None,
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", FIELDS)
async def test_pages_make_the_whole_in_order_with_nulls_last(api: Collector, field: str, descending: bool) -> None:
    sort = f"-{field}" if descending else field
    pages: list[Rows] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get("/api/v1/instances", sort=sort, limit=7, **cursor)
        assert page["total"] == ORDERS + len(ODD_KEYS) + 5 + 1
        pages.append(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    rows = [row for page in pages for row in page]
    assert {len(page) for page in pages[:-1]} == {7}
    assert len({row["id"] for row in rows}) == len(rows) == ORDERS + len(ODD_KEYS) + 5 + 1
    spelled = [FIELDS[field](row) for row in rows]
    known = [value for value in spelled if value is not None]
    assert spelled == sorted(known, reverse=descending) + [None] * (len(spelled) - len(known))
    whole = await api.get("/api/v1/instances", sort=sort, limit=500)
    assert [row["id"] for row in whole["items"]] == [row["id"] for row in rows]
    fourth = await api.get("/api/v1/instances", sort=sort, limit=7, offset=21)
    assert [row["id"] for row in fourth["items"]] == [row["id"] for row in pages[3]]


async def test_a_cursor_stays_where_it_was_when_rows_go(api: Collector) -> None:
    asked = {"sort": "started_at", "limit": 10, "workflow": "order-to-cash"}
    first = await api.get("/api/v1/instances", **asked)
    second = await api.get("/api/v1/instances", **asked, cursor=first["next_cursor"])
    last = first["items"][-1]["id"]
    try:
        api.conn.execute("UPDATE instance SET workflow = 'gone' WHERE id = %s", (last,))
        api.conn.commit()
        again = await api.get("/api/v1/instances", **asked, cursor=first["next_cursor"])
        assert [row["id"] for row in again["items"]] == [row["id"] for row in second["items"]]
        assert again["total"] == first["total"] - 1
    finally:
        api.conn.execute("UPDATE instance SET workflow = 'order-to-cash' WHERE id = %s", (last,))
        api.conn.commit()


def crafted(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


ID = "00000000-0000-0000-0000-000000000001"
MOVED = "2026-11-22T00:00:00Z"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"cursor": "nonsense"}, "cursor"), ({"cursor": "ÿ"}, "cursor"), ({"cursor": crafted("deadline_at", "soon", MOVED, ID)}, "cursor"),
     ({"cursor": crafted("value", None, MOVED, ID)}, "cursor"), ({"cursor": crafted("deadline_at", None, "1")}, "cursor"),
     ({"cursor": crafted("value", "NaN", MOVED, ID), "sort": "value"}, "cursor"), ({"cursor": crafted("value", "1e999999", MOVED, ID), "sort": "value"}, "cursor"),
     ({"cursor": crafted("title", "\x00", MOVED, ID), "sort": "title"}, "cursor"), ({"cursor": crafted("title", "\ud800", MOVED, ID), "sort": "title"}, "cursor"),
     ({"cursor": crafted("deadline_at", "0001-01-01T00:00:00+23:00", MOVED, ID)}, None),
     ({"cursor": crafted("deadline_at", None, "soon", ID)}, "cursor"), ({"cursor": crafted("deadline_at", None, None, ID)}, "cursor"),
     ({"cursor": crafted("deadline_at", None, "0001-01-01T00:00:00+23:00", ID)}, None), ({"cursor": crafted("deadline_at", None, ID)}, "cursor"),
     ({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"limit": -1}, "limit"), ({"limit": "many"}, "limit"), ({"limit": "1" * 30}, "limit"),
     ({"offset": -1}, "offset"), ({"offset": 10**12}, "offset"), ({"sort": "id"}, "sort"), ({"sort": "--value"}, "sort"), ({"sort": ""}, "sort"),
     ({"verdict": "lost"}, "verdict"), ({"verdict": ["stuck", ""]}, "verdict"), ({"min_value": "much"}, "min_value"), ({"min_value": "nan"}, "min_value"),
     ({"min_value": "1e400"}, "min_value"), ({"min_age_seconds": -1}, "min_age_seconds"), ({"min_age_seconds": "inf"}, "min_age_seconds"),
     ({"key": "a\x00b"}, "key"), ({"q": "a\x00"}, "q"), ({"q": "a" * 501}, "q"), ({"workflow": "\x00"}, "workflow"), ({"owner": "\x00"}, "owner")],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_by_name(
    api: Collector, parameters: dict[str, Any], field: str | None
) -> None:
    answer = await api.http.get("/api/v1/instances", params=parameters)
    if field is None:
        assert answer.status_code == 200
        return
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == 400
    assert [one["field"] for one in said["faults"]] == [field]
    assert field in said["title"]


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/v1/incidents?status=burning", "status"), ("/api/v1/dead-letters?limit=0", "limit"), ("/api/v1/dead-letters?cursor=x", "cursor"),
     ("/api/v1/dead-letters?cursor=9999999999999999999999", "cursor"), ("/api/v1/search", "q"), ("/api/v1/search?q=a&limit=x", "limit")],
)  # fmt: skip
async def test_other_questions_are_refused_by_name_too(api: Collector, path: str, field: str) -> None:
    answer = await api.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [one["field"] for one in answer.json()["faults"]] == [field]


@pytest.mark.parametrize(
    "path",
    [
        "instances/nonsense",
        f"instances/{ID}",
        "instances/%00",
        "objectives/nothing",
        "objectives/%00",
        "incidents/1",
        f"incidents/{ID}",
        "nothing",
    ],
)
async def test_what_is_not_there_is_a_problem_document(api: Collector, path: str) -> None:
    answer = await api.http.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404


async def test_a_wrong_method_says_which_is_right(api: Collector) -> None:
    for path, right in (("/events", "POST"), ("/v1/traces", "POST"), ("/api/v1/instances", "GET")):
        wrong = "GET" if right == "POST" else "POST"
        answer = await api.http.request(wrong, path)
        assert answer.status_code == 405
        assert right in answer.headers["allow"]


async def test_no_route_says_back_what_it_was_sent(api: Collector) -> None:
    for path in ("/events", "/v1/traces", "/api/v1/instances", "/openapi.json"):
        answer = await api.http.request("TRACE", path, headers={"x-planted": "planted"})
        assert answer.status_code == 405
        assert "planted" not in answer.text + repr(answer.headers)


# Single things


async def test_an_instance_tells_everything_behind_its_verdict(api: Collector) -> None:
    (row,) = (await api.get("/api/v1/instances", key="order=O-001"))["items"]
    detail = await api.get(f"/api/v1/instances/{row['id']}")
    assert detail["title"] == "O-001"
    assert [(step["name"], step["state"]) for step in detail["journey"]][:2] == [
        ("order_received", "reached"),
        ("order_accepted", "reached"),
    ]
    assert detail["journey"][0]["event_id"] == "order.created-1"
    assert [(one["namespace"], one["value"], one["joins"]) for one in detail["keys"]] == [
        ("account", "ACME-1", False),
        ("order", "O-001", True),
    ]
    assert [(one["id"], one["milestone"]) for one in detail["events"]] == [
        ("order.created-1", "order_received"), ("sales_order.created-1", "order_accepted"),
    ]  # fmt: skip
    assert detail["arithmetic"]
    assert detail["history"][-1]["verdict"] == detail["verdict"] == row["verdict"]
    assert detail["explanation"] == row["explanation"]


async def test_counts_agree_wherever_they_are_shown(api: Collector) -> None:
    rows = await everything(api)
    verdicts = Counter((row["workflow"], row["verdict"]) for row in rows)
    listed = (await api.get("/api/v1/workflows"))["items"]
    assert {(one["name"], verdict): count for one in listed for verdict, count in one["counts"].items()} == dict(
        verdicts
    )
    overview = await api.get("/api/v1/overview")
    for domain in overview["domains"]:
        for workflow in domain["workflows"]:
            for verdict in ("stuck", "failed", "due_soon", "blind", "inconsistent"):
                assert workflow[verdict] == verdicts[workflow["name"], verdict]
    assert overview["events_total"] == sum(one["received"] for one in overview["sources"]) == len(list(_events()))
    objectives = (await api.get("/api/v1/objectives"))["items"]
    assert objectives == [one for domain in overview["domains"] for one in domain["objectives"]]
    one = await api.get(f"/api/v1/objectives/{objectives[0]['name']}")
    assert {name: one[name] for name in ("good", "bad", "total")} == {
        name: objectives[0][name] for name in ("good", "bad", "total")
    }


async def test_orphans_are_counted_and_open_to_their_list(api: Collector) -> None:
    overview = await api.get("/api/v1/overview")
    counts = {one["name"]: one["orphans"] for domain in overview["domains"] for one in domain["workflows"]}
    assert counts == {"order-to-cash": 1, "ticket": 0}
    assert {domain["domain"]: domain["orphans"] for domain in overview["domains"]} == {"orders": 1, "support": 0}
    (orphan,) = (await api.get("/api/v1/instances", reason="orphan", workflow="order-to-cash"))["items"]
    assert orphan["verdict"] == "inconsistent"
    assert orphan["explanation"].startswith("An orphan: Order accepted came at ")


async def test_what_waits_between_systems_and_for_a_step_opens_to_its_list(api: Collector) -> None:
    flows = (await api.get("/api/v1/sources"))["flows"]
    flow = next(one for one in flows if one["milestone"] == "order_accepted")
    assert (flow["sender"], flow["receiver"]) == ("crm", "sap")
    waiting = {"workflow": "order-to-cash", "waiting_for": "order_accepted", "limit": 1}
    held = [await api.get("/api/v1/instances", verdict=one, **waiting) for one in ("stuck", "failed", "inconsistent")]
    assert flow["held"] == sum(one["total"] for one in held)
    everything_waiting = (await api.get("/api/v1/instances", **waiting))["total"]
    finished = [await api.get("/api/v1/instances", verdict=one, **waiting) for one in ("completed", "cancelled")]
    assert flow["waiting"] == everything_waiting - sum(one["total"] for one in finished) > 0


async def test_what_was_missed_today_is_what_the_list_of_it_has(api: Collector) -> None:
    overview = await api.get("/api/v1/overview")
    for workflow in (one for domain in overview["domains"] for one in domain["workflows"]):
        today = workflow["today"]
        assert today["usual"] is None or today["usual"]["days"] >= 3
        span = {"since": today["since"], "until": today["until"]}
        if today["since"] == today["until"]:
            assert today["due"] == 0
            continue
        listed = await api.get(f"/api/v1/objectives/workflow:{workflow['name']}/contributors", **span)
        assert today["missed"] == listed["total"]


async def test_a_clock_that_runs_ahead_is_a_finding(api: Collector) -> None:
    sources = {one["source"]: one["skew"] for one in (await api.get("/api/v1/sources"))["items"]}
    ahead, on_time = sources["shop"], sources["desk"]
    assert (ahead["ahead_events"], ahead["beyond_tolerance"], ahead["tolerated_seconds"]) == (1, True, 300)
    assert 400 < ahead["most_ahead_seconds"] == ahead["most_ahead_that_day_seconds"] <= 480
    assert re.fullmatch(r"Clock ahead by up to [78]m([0-9]+s)?, 5m tolerated", ahead["finding"])
    assert on_time == {
        "tolerated_seconds": 300,
        "ahead_events": 0,
        "most_ahead_seconds": 0,
        "ahead_on": None,
        "most_ahead_that_day_seconds": 0,
        "beyond_tolerance": False,
        "finding": None,
    }


async def test_times_are_rfc3339_with_z(api: Collector) -> None:
    shape = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
    for row in await everything(api):
        for name in ("started_at", "updated_at", "deadline_at", "due_at", "stuck_since"):
            assert row[name] is None or shape.fullmatch(row[name])


# Health and description


async def test_the_description_is_sound(api: Collector) -> None:
    description = await api.get("/openapi.json")
    assert description["openapi"].startswith("3.")
    operations = [one for methods in description["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    assert {"/api/v1/instances", "/api/v1/instances/{id}", "/api/v1/overview", "/healthz"} <= description[
        "paths"
    ].keys()
    for path, methods in description["paths"].items():
        declared = {
            one["name"] for method in methods.values() for one in method.get("parameters", ()) if one["in"] == "path"
        }
        assert declared == set(re.findall(r"{(\w+)}", path))
    for reference in re.findall(r'"\$ref":\s*"#/([^"]+)"', json.dumps(description)):
        found: Any = description
        for step in reference.split("/"):
            found = found[step]


async def test_the_documentation_needs_no_internet(api: Collector) -> None:
    page = (await api.http.get("/docs")).text
    hosts = {urlsplit(url).netloc for url in re.findall(r"(?:src|href|url)\s*[=:]\s*[\"']([^\"']+)", page)}
    assert hosts <= {""}
    assets = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']+\.(?:js|css|png|ico))", page)
    assert len(assets) >= 2
    for asset in assets:
        assert (await api.http.get(asset)).status_code == 200


async def test_metrics_have_the_series_that_are_promised(api: Collector) -> None:
    answer = await api.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    metrics.INSTANCES.labels("order-to-cash", "stuck").set(1)
    text = (await api.http.get("/metrics")).text
    for series in (
        "milepost_received_total", "milepost_rejected_total", "milepost_throttled_requests_total", "milepost_log_commit_seconds_bucket",
        "milepost_projected_total", "milepost_duplicates_total", "milepost_unmatched_total", "milepost_dead_letters_total",
        "milepost_projection_batch_seconds_count", "milepost_projection_lag_seconds", "milepost_projection_lag_events",
        "milepost_evaluator_seconds_sum", "milepost_breaches_total", "milepost_instances", "milepost_duty_failures_total",
    ):  # fmt: skip
        assert f"# TYPE {re.sub('_(bucket|count|sum)$', '', series)} " in text, series


async def test_what_a_door_counts_is_in_the_metrics(collector: Collector) -> None:
    def count(name: str) -> float:
        (value,) = [
            float(line.split()[-1]) for line in generate_latest().decode().splitlines() if line.startswith(name)
        ]
        return value

    await collector.events(cloud_event("1"))
    before = count('milepost_received_total{door="events"}'), count('milepost_rejected_total{door="events"}')
    await collector.events(cloud_event("2"), cloud_event(""), cloud_event("3"))
    assert (count('milepost_received_total{door="events"}'), count('milepost_rejected_total{door="events"}')) == (
        before[0] + 2,
        before[1] + 1,
    )


async def test_health_and_readiness(collector: Collector, postgres: Server) -> None:
    assert (await collector.http.get("/healthz")).json() == {"status": "ok", "roles": {}}
    assert (await collector.http.get("/readyz")).json() == {"status": "ok", "missing": [], "roles": {}}
    name = collector.conn.info.dbname
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'milepost query'"
    )
    answer = await collector.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"], len(answer.json()["missing"])) == (503, "not ready", 1)
    assert (await collector.http.get("/healthz")).status_code == 200
    query = await collector.http.get("/api/v1/instances")
    assert (query.status_code, query.headers["retry-after"], query.headers["content-type"]) == (
        503,
        "5",
        "application/problem+json",
    )
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_the_overview_tells_what_came_late(collector: Collector) -> None:
    assert (await collector.get("/api/v1/overview"))["late"] == []
    with collector.conn.transaction():
        collector.conn.execute(
            "INSERT INTO receiver_spool (id, name, told_at, waits_since, given_up, late_since, late_until, late_count, "
            "late_settled_at) SELECT gen_random_uuid(), name, now(), waits::timestamptz, given_up, "
            "settled::timestamptz - interval '10 min', settled::timestamptz - interval '1 min', 7, settled::timestamptz "
            "FROM (VALUES ('settled', NULL, false, now()::text), ('writing', '2026-01-01 12:00:00Z', false, NULL), "
            "('gone', '2026-01-01', true, NULL), ('long ago', NULL, false, '2026-01-01'), ('fine', NULL, false, NULL)) "
            "AS one (name, waits, given_up, settled)"
        )
    writing, settled = (await collector.get("/api/v1/overview"))["late"]
    assert writing == {
        "receiver": "writing", "since": "2026-01-01T12:00:00Z", "until": None, "count": None, "settled_at": None,
    }  # fmt: skip
    assert (settled["receiver"], settled["count"]) == ("settled", 7)
    assert settled["since"] < settled["until"] < settled["settled_at"]
