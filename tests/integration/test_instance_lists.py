# ruff: noqa: F811
"""Lists of instances: whatever is asked for, what is open and what has finished come as one list, from their indexes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from collector.query import finished_reach, instance_lists
from collector.query.instance_lists import page_of, stretches_of
from collector.query.instances import SORTS, InstanceFilter
from collector.query.reader import DIALECT
from collector.store.database import connect
from collector.store.tables import FINAL_VERDICTS, instance
from slo_rules.judgement import REASON_OF_FINAL, VerdictKind
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC)
MADE = 90
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"workflow": "order-to-cash"},
    {"domain": "support"},
    {"owner": "ann"},
    {"verdict": ["completed"]},
    {"verdict": ["stuck", "completed_late", "cancelled"]},
    {"verdict": ["stuck", "failed"]},
    {"source_awaited": "sap"},
    {"waiting_for": "order_accepted"},
    {"reason": "finished_after_deadline"},
    {"reason": "overdue"},
    {"reason": "cancelled", "verdict": ["stuck"]},
    {"q": "title-1"},
    {"min_age_seconds": 20 * 3600},
    {"min_value": 40},
    {"assigned_to": "bob"},
    {"assigned_to": "nobody"},
    {"acknowledged": "true"},
    {"acknowledged": "false"},
    {"acknowledged": "false", "verdict": ["completed", "stuck"]},
    {"workflow": "order-to-cash", "min_value": 20, "assigned_to": "nobody"},
)
MULTIPLY = """
INSERT INTO instance (id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for,
    source_awaited, owner, due_at, deadline_at, since, stuck_since, started_at, updated_at, value_amount,
    value_currency, progress)
SELECT gen_random_uuid(), workflow, workflow_version, entity, %(domain)s, %(title)s, %(title)s, %(verdict)s, %(reason)s,
    %(waiting_for)s, %(source)s, %(owner)s, NULL, %(deadline)s, since, %(stuck)s, %(started)s, %(updated)s, %(value)s,
    %(currency)s, progress
FROM instance WHERE title = 'O-0' RETURNING id
"""


async def many(collector: Collector) -> None:
    """One instance, and ninety made of it: of every verdict, with ties and gaps in all that lists are sorted by."""
    await collector.events(cloud_event("order", data={"order_id": "O-0", "account_id": "A", "region": "EMEA"}))
    collector.project()
    verdicts = [one for one in VerdictKind if one != VerdictKind.WAIVED]
    ids = []
    for n in range(MADE):
        verdict = verdicts[n % len(verdicts)]
        finished, stuck = verdict in FINAL_VERDICTS, verdict == VerdictKind.STUCK
        deadline = None if finished or (n % 5 == 0 and not stuck) else NOW + timedelta(hours=n % 7)
        reason = REASON_OF_FINAL.get(verdict, "overdue" if stuck else "waiting" if deadline else "no_deadline")
        row = collector.conn.execute(
            MULTIPLY,
            {
                "domain": "orders" if n % 4 else "support",
                "title": f"title-{n % 30:02}",
                "verdict": str(verdict),
                "reason": str(reason),
                "waiting_for": None if finished else "order_accepted",
                "source": None if finished or n % 3 == 0 else "sap",
                "owner": ("ann", "cas", None)[n % 3],
                "deadline": deadline,
                "stuck": NOW - timedelta(hours=n % 6) if stuck else None,
                "started": NOW - timedelta(hours=n % 50),
                "updated": NOW - timedelta(hours=n % 9),
                "value": None if n % 8 == 0 else n % 60,
                "currency": None if n % 8 == 0 else ("EUR", "USD")[n % 2],
            },
        ).fetchone()
        assert row is not None
        ids.append((n, row[0], verdict))
    for n, id_, verdict in ids:
        if n % 4 == 0:
            seen = str(verdict) if n % 8 == 0 and verdict not in FINAL_VERDICTS else None
            collector.conn.execute(
                "INSERT INTO instance_handling (instance_id, assigned_to, assigned_at, acknowledged_by, "
                "acknowledged_at, acknowledged_verdict, acknowledged_waiting_for) "
                "VALUES (%s, 'bob', now(), 'bob', now(), %s, 'order_accepted')",
                (id_, seen),
            )
    collector.conn.execute("DELETE FROM instance_count")
    collector.conn.execute(
        "INSERT INTO instance_count (workflow, verdict, count) "
        "SELECT workflow, verdict, count(*) FROM instance GROUP BY workflow, verdict"
    )
    collector.conn.commit()


def expected(collector: Collector, asked: dict[str, Any], sort: str) -> list[dict[str, Any]]:
    """The same by going through the table with the conditions as they are asked for, sorted here."""
    said = asked | {"verdict": tuple(asked.get("verdict", ()))}
    if "acknowledged" in said:
        said["acknowledged"] = said["acknowledged"] == "true"
    conditions = InstanceFilter(**said).conditions(NOW, collector.catalogue.key_rules)
    statement = sa.select(instance).where(*conditions)
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    cursor = collector.conn.execute(str(compiled).encode(), compiled.params)
    assert cursor.description is not None
    rows = [dict(zip((c.name for c in cursor.description), row, strict=True)) for row in cursor.fetchall()]
    collector.conn.commit()
    name = SORTS[sort.removeprefix("-")].key
    rows.sort(key=lambda row: row["id"])
    if name in ("deadline_at", "stuck_since"):
        rows.sort(key=lambda row: row["updated_at"], reverse=True)
    present = [row for row in rows if row[name] is not None]
    # Stable the other way round as well: equal ones stay in their order.
    present.sort(key=lambda row: row[name], reverse=sort.startswith("-"))
    return present + [row for row in rows if row[name] is None]


async def test_every_filter_in_every_order_gives_the_same_as_going_through_the_table(collector: Collector) -> None:
    await many(collector)
    for asked, (name, turned) in product(FILTERS, product(SORTS, ("", "-"))):
        sort = turned + name
        wanted = expected(collector, asked, sort)
        found = await collector.get("/api/v1/instances", **asked, sort=sort, limit=500)
        assert [item["id"] for item in found["items"]] == [str(row["id"]) for row in wanted], (asked, sort)
        assert (found["total"], found["total_exact"]) == (len(wanted), True), asked
        later = await collector.get("/api/v1/instances", **asked, sort=sort, limit=10, offset=15)
        assert [item["id"] for item in later["items"]] == [str(row["id"]) for row in wanted[15:25]], (asked, sort)
        assert later["value"] == found["value"], asked


@pytest.mark.parametrize("sort", ["deadline_at", "-stuck_since", "value", "-updated_at", "title"])
async def test_pages_by_cursor_are_the_whole_list(collector: Collector, sort: str) -> None:
    await many(collector)
    whole = (await collector.get("/api/v1/instances", sort=sort, limit=500))["items"]
    pages: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await collector.get("/api/v1/instances", sort=sort, limit=7, **cursor)
        pages += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == [item["id"] for item in whole]
    assert len(whole) == MADE + 1


async def test_of_what_has_finished_no_more_is_counted_than_somebody_wants_to_know(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(collector)
    monkeypatch.setattr(instance_lists, "MOST_COUNTED", 5)
    found = await collector.get("/api/v1/instances", min_value=1, limit=2)
    everything = len(expected(collector, {"min_value": 1}, "value"))
    opened = await collector.get(
        "/api/v1/instances", min_value=1, limit=2, verdict=list(set(VerdictKind) - {*FINAL_VERDICTS})
    )
    assert (found["total"], found["total_exact"], found["value"]) == (opened["total"] + 5, False, None)
    assert found["total"] < everything
    assert opened["total_exact"]
    assert opened["value"]
    # How many there are of a workflow and verdict is kept, so it is said to the last one.
    kept = await collector.get("/api/v1/instances", workflow="order-to-cash", limit=2)
    assert (kept["total"], kept["total_exact"], kept["value"]) == (MADE + 1, True, None)


@pytest.mark.parametrize(
    "asked",
    [one for one in FILTERS if one and not {"q", "assigned_to"} & set(one)] + [{"assigned_to": "nobody"}],
    ids=str,
)
async def test_which_they_are_is_read_from_the_indexes_alone(collector: Collector, asked: dict[str, Any]) -> None:
    await many(collector)
    said = asked | {"verdict": tuple(asked.get("verdict", ()))}
    if "acknowledged" in said:
        said["acknowledged"] = said["acknowledged"] == "true"
    with connect(collector.url, "test", autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE instance")
    stretches = stretches_of(InstanceFilter(**said), NOW, collector.catalogue.key_rules, ())
    for name in SORTS:
        if name == "title":
            continue
        page = page_of(stretches, f"-{name}", None, 10, 0)
        compiled = page.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
        with collector.conn.transaction():
            for other in ("seqscan", "bitmapscan"):
                collector.conn.execute(f"SET LOCAL enable_{other} = off".encode())
            plan = collector.conn.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
        scans = [line for (line,) in plan if "Scan" in line and " on instance" in line and "_handling" not in line]
        assert scans or "One-Time Filter: false" in str(plan), plan
        assert all("Index Only Scan" in line for line in scans if "instance_merge" not in line), "\n".join(scans)


@pytest.mark.parametrize("sort", ["title", "-title", "value", "-started_at"])
async def test_in_an_order_that_no_index_has_what_finished_last_is_sorted_and_it_is_said_since_when(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    await many(collector)
    whole = await collector.get("/api/v1/instances", sort=sort, limit=500)
    assert whole["looked_back_to"] is None
    finished = sorted((row["updated_at"] for row in whole["items"] if row["verdict"] in FINAL_VERDICTS), reverse=True)
    monkeypatch.setattr(finished_reach, "MOST_READ", 3)
    monkeypatch.setattr(finished_reach, "MOST_PASSED", 3)
    found = await collector.get("/api/v1/instances", sort=sort, limit=500)
    assert found["looked_back_to"] == finished[3]
    assert [row["id"] for row in found["items"]] == [
        row["id"] for row in whole["items"] if row["verdict"] not in FINAL_VERDICTS or row["updated_at"] >= finished[3]
    ]
    assert (found["total"], found["total_exact"]) == (whole["total"], True), "how many there are is known all the same"
    later = await collector.get("/api/v1/instances", sort=sort, limit=2, cursor=await _cursor(collector, sort))
    assert [row["id"] for row in later["items"]] == [row["id"] for row in found["items"][2:4]]
    everywhere = await collector.get("/api/v1/instances", sort="-updated_at", limit=500)
    assert everywhere["looked_back_to"] is None
    assert len(everywhere["items"]) == len(whole["items"])


async def _cursor(collector: Collector, sort: str) -> str:
    found: str = (await collector.get("/api/v1/instances", sort=sort, limit=2))["next_cursor"]
    return found


async def test_words_are_looked_for_in_what_finished_last_and_keys_in_all_of_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(collector)
    everything = (await collector.get("/api/v1/instances", sort="-updated_at", limit=500))["items"]
    finished = [row for row in everything if row["verdict"] in FINAL_VERDICTS]
    monkeypatch.setattr(finished_reach, "MOST_READ", 3)
    old = finished[-1]
    collector.conn.execute(
        "INSERT INTO instance_key (instance_id, workflow, namespace, value, joins) "
        "SELECT id, workflow, 'account', 'title-OLD', false FROM instance WHERE id = %s",
        (old["id"],),
    )
    collector.conn.commit()
    edge = finished[3]["updated_at"]
    found = await collector.get("/api/v1/instances", q="title-", limit=500)
    assert (found["looked_back_to"], found["total_exact"]) == (edge, False)
    wanted = [row["id"] for row in everything if row["title"] != "O-0"]
    late = {row["id"] for row in finished if row["updated_at"] < edge}
    assert old["id"] in late
    assert sorted(row["id"] for row in found["items"]) == sorted({*wanted} - late | {old["id"]})
    assert found["total"] == len(found["items"])
    by_key = await collector.get("/api/v1/instances", q="title-OLD", limit=500)
    assert [row["id"] for row in by_key["items"]] == [old["id"]]


async def test_attributes_are_looked_for_in_what_finished_last(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(collector)
    everything = (await collector.get("/api/v1/instances", sort="-updated_at", limit=500))["items"]
    finished = [row["updated_at"] for row in everything if row["verdict"] in FINAL_VERDICTS]
    asked: dict[str, Any] = {"attribute": "region=EMEA", "limit": 500}
    whole = await collector.get("/api/v1/instances", **asked)
    assert (whole["looked_back_to"], whole["total_exact"], whole["total"]) == (None, True, len(everything))
    monkeypatch.setattr(finished_reach, "MOST_READ", 3)
    for sort in ("-updated_at", "value", "deadline_at"):
        found = await collector.get("/api/v1/instances", sort=sort, **asked)
        assert (found["looked_back_to"], found["total_exact"]) == (finished[3], False)
        wanted = {
            row["id"] for row in everything if row["verdict"] not in FINAL_VERDICTS or row["updated_at"] >= finished[3]
        }
        assert len(wanted) < len(everything)
        assert {row["id"] for row in found["items"]} == wanted
        assert found["total"] == len(wanted)
