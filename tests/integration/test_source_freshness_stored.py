"""The freshness of sources in the store: however it is projected, restarted and rebuilt, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.catalogue import load_catalogue
from collector.objective_gauges import measure_objectives
from collector.projector import Projector
from collector.rebuild import fingerprints, forget, keep_objectives
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.instants import rfc3339
from slo_rules.objective import Objective
from slo_rules.source_freshness import is_about, of_source, pauses_of
from slo_rules.workflow import Definitions
from tests.counting import something, stored_buckets
from tests.examples import on_one_database
from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event, running
from tests.projecting import enroll, project, receive, wipe
from tests.strategies import DEFINITIONS as ORDERS
from tests.strategies import make_event

HEARD = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: crm-heard}
spec: {workflow: orders, freshness: {source: crm, within: 40m}, target: 0.9}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: desk-heard}
spec: {workflow: orders, freshness: {source: desk, within: 5h}, target: 0.9}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: sap-heard}
spec: {workflow: orders, freshness: {source: sap}, target: 0.9}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: file-heard}
spec: {workflow: orders, freshness: {source: sap, type: file}, target: 0.9}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: file-often}
spec: {workflow: orders, freshness: {source: sap, type: file, within: 1h, calendar: office}, target: 0.9}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: desk}
spec: {}
"""
NIGHTLY = "{expect: [{every: 1h, calendar: office}, {type: file, by: every business day 06:00, calendar: office}]}"
WITHOUT = load({"a.yaml": ORDERS.replace("{skew: 20m, silent_after: 2h}", NIGHTLY)})
WITH = load({"a.yaml": ORDERS.replace("{skew: 20m, silent_after: 2h}", NIGHTLY) + HEARD})
Sent = list[tuple[str, str, int]]
SENT: st.SearchStrategy[Sent] = st.lists(
    st.tuples(
        st.sampled_from(["crm", "sap", "sap", "desk", "other"]),
        st.sampled_from(["won", "file", "noise"]),
        st.sampled_from([0, 1, MINUTE, 40 * MINUTE, 40 * MINUTE + 1, HOUR, 5 * HOUR, 30 * HOUR, 90 * HOUR]),
    ),
    max_size=16,
)


def apply(conn: Connection, definitions: Definitions, batch: int) -> None:
    projector = Projector(enroll(conn, definitions), batch=batch)
    assert projector.acquire(conn)
    while projector.apply_batch(conn) is None:
        pass


def counted(objective: Objective, sent: list[tuple[str, str, int]]) -> dict[object, object]:
    heard_at = [at for source, type_, at in sent if is_about(objective, source, type_)]
    return dict(of_source(objective, pauses_of(heard_at, sent[0][2]), sent[0][2])) if sent else {}


@pytest.mark.slow
@on_one_database(60)
@given(SENT, st.lists(st.tuples(st.integers(0, 16), st.booleans(), st.integers(1, 7)), max_size=3))
def test_buckets_are_what_arrived(conn: Connection, pauses: Sent, parts: list[tuple[int, bool, int]]) -> None:
    """Whoever projects, in whatever batches, and whenever the objectives came to be: also when derived anew."""
    wipe(conn)
    now, sent = 0, []
    for source, type_, pause in pauses:
        now += pause
        sent.append((source, type_, now))
    events = [make_event(type_, at, number, source, {"order": "1"}) for number, (source, type_, at) in enumerate(sent)]
    done = 0
    for until, there, batch in sorted(parts):
        receive(conn, events[done:until])
        done = max(done, until)
        apply(conn, WITH if there else WITHOUT, batch)
    receive(conn, events[done:])
    apply(conn, WITH, 3)
    names = {one.name for one in WITH.objectives.values() if one.source}
    expected: dict[object, object] = {}
    absolute = [(source, type_, event.received_at) for (source, type_, _), event in zip(sent, events, strict=True)]
    for name in names:
        expected |= counted(WITH.objectives[name], absolute)
    assert {place: of for place, of in stored_buckets(conn).items() if place[0] in names} == something(expected)  # type: ignore[arg-type]
    before = fingerprints(conn)["sli_bucket"]
    forget(conn, current_definitions=False)
    apply(conn, WITH, 4)
    assert fingerprints(conn)["sli_bucket"] == before


def test_another_schedule_counts_anew(conn: Connection) -> None:
    catalogue = enroll(conn, WITH)
    receive(conn, [make_event("won", at * HOUR, at, "crm", {"order": "1"}) for at in (0, 1, 4)])
    project(conn, catalogue)
    before = {place for place in stored_buckets(conn) if place[0] == "crm-heard"}
    enroll(
        conn, load({"a.yaml": ORDERS.replace("{skew: 20m, silent_after: 2h}", NIGHTLY) + HEARD.replace("40m", "4h")})
    )
    after = {place for place in stored_buckets(conn) if place[0] == "crm-heard"}
    assert (len(before), len(after)) == (6, 2)
    assert keep_objectives(conn, load_catalogue(conn)) == []


NOW = datetime.now(UTC).replace(second=0, microsecond=0)
NOW -= timedelta(minutes=NOW.minute % 5)
OF_SAP = """
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap}
spec: {silent_after: 30m}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: always, title: Always}
spec: {zone: UTC, hours: {mon-sun: ["00:00-24:00"]}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: sap-heard, title: SAP is heard}
spec:
  workflow: order-to-cash
  freshness: {source: sap}
  target: 0.5
  window: {last: 12h, calendar: always}
  exclude: [{from: "%s", for: 1h, reason: Maintenance}]
"""


async def heard(collector: Collector, *hours: float) -> None:
    """SAP was heard so many hours ago, and nobody else ever was."""
    for number in range(len(hours)):
        await collector.events(cloud_event(f"h{number}", source="sap", type="noise", time=rfc3339(NOW)))
    with collector.conn.transaction():
        rows = collector.conn.execute("SELECT seq FROM event ORDER BY seq").fetchall()
        for (seq,), one in zip(rows, hours, strict=True):
            collector.conn.execute(
                "UPDATE event SET received_at = %s, occurred_at = %s WHERE seq = %s",
                (NOW - timedelta(hours=one), NOW - timedelta(hours=one), seq),
            )
    collector.project()


async def test_what_is_told(database_url: str) -> None:
    text = DEFINITIONS + OF_SAP % rfc3339(NOW - timedelta(hours=6))
    async with running(database_url, text) as collector:
        keep_objectives(collector.conn, collector.catalogue)
        # Silent from 9.5 to 8 hours ago, from 6.5 to 4 with the hour of maintenance in it, and since an hour and a half.
        await heard(collector, 10, 8, 7.5, 7, 4, 3.5, 3, 2.5, 2)
        found = await collector.get("/api/v1/objectives/sap-heard")
        assert found["description"] == "something from sap arrives at least every 30m"
        assert (found["unit"], found["kind"], found["missing_source"]) == ("slices", "freshness", None)
        assert found["window"]["calendar"] == "Always"
        assert (found["window"]["open_seconds"], found["window_seconds"]) == (12 * 3600, 12 * 3600)
        silent = 18 + 6 + 12 + 18
        # NOW is when the tests were collected: silence goes on since.
        spare = (datetime.now(UTC) - NOW) // timedelta(minutes=5)
        assert silent <= found["bad"] <= silent + spare
        assert (found["excluded"], found["good"]) == (12, 120 - silent - 12)
        listed = await collector.get("/api/v1/objectives/sap-heard/contributors", limit=2, until=rfc3339(NOW))
        assert (listed["listed"], listed["total"], listed["left_out"]) == ("silences", 4, 1)
        more = await collector.get(
            "/api/v1/objectives/sap-heard/contributors", cursor=listed["next_cursor"], until=rfc3339(NOW)
        )
        rows = [
            ((NOW - datetime.fromisoformat(one["since"])) / timedelta(hours=1), one["slices"], one["counts_as"])
            for one in (*listed["items"], *more["items"])
        ]
        assert rows == [(9.5, 18, "bad"), (6.5, 6, "bad"), (6, 12, None), (5, 12, "bad"), (1.5, 18, "bad")]
        assert more["items"][0]["exclusions"] == ["Maintenance"]
        assert {one["expected"] for one in listed["items"]} == {"at least every 30m"}
        none = await collector.get("/api/v1/objectives/sap-heard/contributors", until=rfc3339(NOW - timedelta(days=3)))
        assert (none["items"], none["total"]) == ([], 0)
        wrong = await collector.http.get("/api/v1/objectives/sap-heard/contributors", params={"outcome": "good"})
        assert (wrong.status_code, "outcome: must be bad" in wrong.text) == (400, True)
        measure_objectives(collector.conn, datetime.now(UTC), collector.catalogue)
        labels = 'objective="sap-heard",window="12h of always",workflow="order-to-cash"'
        assert f"milepost_objective_bad{{{labels}}} {found['bad']}.0" in (await collector.http.get("/metrics")).text
        await collector.events(cloud_event("again", source="sap", type="noise", time=rfc3339(NOW)))
        collector.project()
        listed = await collector.get("/api/v1/objectives/sap-heard/contributors")
        assert listed["total"] == 4


async def test_of_a_log_that_is_empty_nothing_is_said(database_url: str) -> None:
    text = DEFINITIONS + OF_SAP % rfc3339(NOW)
    async with running(database_url, text) as collector:
        keep_objectives(collector.conn, collector.catalogue)
        found = await collector.get("/api/v1/objectives/sap-heard")
        assert (found["total"], found["ratio"]) == (0, None)
        assert (await collector.get("/api/v1/objectives/sap-heard/contributors"))["items"] == []
