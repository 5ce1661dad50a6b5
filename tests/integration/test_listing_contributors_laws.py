"""What is listed of an objective, out of a real database, against what its buckets say of the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.query.contributors import times
from collector.query.counted_items import contributed_where, find, told_of
from collector.query.reader import Reader
from collector.query.reckoning import reckon
from collector.store.database import Connection
from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS
from slo_rules.contributors import promise_of
from slo_rules.definitions import load
from slo_rules.durations import MINUTE
from slo_rules.event import Event
from slo_rules.instants import to_micros
from slo_rules.item import Outcome
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import Asked, Reckoned
from slo_rules.tallying import Tally
from tests import strategies
from tests.examples import on_one_database
from tests.projecting import enroll, log_events, project, projecting, wipe
from tests.strategies import START, events

pytestmark = pytest.mark.slow

MORE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: paid-in-time}
spec:
  workflow: orders
  latency: {from: won, to: paid, within: 3h, calendar: office}
  target: 0.9
  missing_data: exclude
  group_by: [region]
  by_value: true
  exclude: [{from: "2026-09-21T14:00:00Z", for: 3h, reason: Maintenance}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: shipped-before}
spec: {workflow: orders, latency: {from: accepted, to: shipped, within: 15m}, target: 0.9, missing_data: good}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: called-off}
spec: {workflow: orders, success: {}, target: 0.9, missing_data: bad, group_by: [region]}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough-won}
spec:
  workflow: orders
  volume: {milestone: won, per: 15m, at_least: 1, at_most: 1}
  target: 0.9
  missing_data: bad
  exclude: [{from: "2026-09-21T14:00:00Z", for: 3h, reason: Maintenance}]
"""
# Of this workflow everything can be narrowed: no parts, no pauses, and completion settles what it leads to.
PLAIN = """
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: plain, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {region: data.region}
  milestones:
    - {name: won, on: {exact: {type: won}}, starts: true}
    - {name: accepted, on: {exact: {type: accepted}}, within: 4h}
    - {name: paid, on: {exact: {type: paid}}, within: 4h, completes: true}
    - {name: shipped, after: won, optional: true, on: {exact: {type: shipped}}}
  cancels_on: [{exact: {type: cancelled}}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: plainly-accepted}
spec: {workflow: plain, latency: {from: won, to: accepted, within: 4h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: plainly-shipped}
spec: {workflow: plain, latency: {from: won, to: shipped, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: plainly-fresh}
spec: {workflow: plain, freshness: {from: won, to: paid, within: 45m}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: plainly-ended}
spec: {workflow: plain, success: {cancelled: bad}, target: 0.9, missing_data: bad}
"""
DEFINITIONS = load({"orders.yaml": strategies.DEFINITIONS + MORE + PLAIN})
OBJECTIVES = (*DEFINITIONS.objectives.values(), *map(promise_of, DEFINITIONS.workflows.values()))
FIRST = START - START % BUCKET
REGIONS = ("EMEA", "APAC", "7", None)
marks = st.integers(-6, 90).map(lambda n: FIRST + n * 15 * MINUTE)


def short_lives() -> st.SearchStrategy[list[Event]]:
    """Orders that start late, complete early and leave things undone within three hours, none of them merged."""
    said = st.fixed_dictionaries(
        {"order": st.sampled_from(["1", "2", "3"])},
        optional={"region": st.sampled_from(["EMEA", "APAC"]), "amount": st.sampled_from([10, 99.5])},
    )
    types = st.sampled_from(["won", "won", "accepted", "paid", "paid", "shipped", "cancelled"])
    lives = st.lists(st.tuples(types, st.integers(0, 12), said), min_size=6, max_size=16)
    return lives.map(
        lambda drawn: [
            strategies.make_event(type_, at * 15 * MINUTE, number, "crm", data)
            for number, (type_, at, data) in enumerate(drawn)
        ]
    )


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with projecting(database_url) as connection:
        yield connection


@dataclass
class Listed:
    """How many of an objective were listed as what, and what those are worth that count."""

    counts: dict[Outcome, int]
    values: dict[Outcome, dict[str, Decimal]]


async def listed(reader: Reader, catalogue: Catalogue, asked: Asked) -> Listed:
    if asked.objective.volume is not None:
        counts = {}
        for outcome in (Outcome.GOOD, Outcome.BAD):
            counts[outcome] = sum(one.as_ is outcome for _, one in await times(reader, asked, outcome))
        return Listed(counts, {})
    found = {outcome: await find(reader, catalogue, asked, outcome) for outcome in Outcome}
    for one in found.values():
        told = await told_of(reader, catalogue, asked, one.entries, FIRST)
        assert [row["due_at"] for row in told] == sorted(row["due_at"] for row in told)
        assert sum(row["stands_for"] for row in told if row["counts_as"] is None or row["left_out"]) <= one.left_out
        assert len(told) == len(one.entries)
    return Listed({outcome: one.total for outcome, one in found.items()}, {o: one.values for o, one in found.items()})


@on_one_database(50)
@given(
    st.one_of(events(25, waived=True), short_lives(), short_lives()),
    st.tuples(marks, marks),
    st.integers(0, 99),
    st.sampled_from(REGIONS),
)
def test_a_complete_list_has_as_many_as_the_objective_counts(
    database_url: str, conn: Connection, history: list[Event], span: tuple[int, int], place: int, region: str | None
) -> None:
    wipe(conn)
    catalogue = enroll(conn, DEFINITIONS)
    log_events(conn, history)
    project(conn, catalogue)
    rows = conn.execute("SELECT objective, bucket FROM sli_bucket WHERE minutes = 5 ORDER BY 2").fetchall()
    conn.commit()
    buckets: dict[str, list[int]] = {}
    for name, bucket in rows:
        buckets.setdefault(name, []).append(to_micros(bucket))

    async def compare() -> None:
        reader = Reader(database_url, most_connections=1)
        await reader.open()
        try:
            for objective in OBJECTIVES:
                groups = [ALL, objective.group_of({"region": region})] if objective.group_by else [ALL]
                # A time in which something counts, and nothing around it: what is read too narrowly shows there.
                counted = buckets.get(objective.name, [FIRST])
                some = {counted[place % len(counted)], counted[-1 - place // 10 % len(counted)]}
                spans = [(at, at + BUCKET) for at in some] + [span]
                for asked in (Asked(objective, min(s), max(s), group) for s in spans for group in groups):
                    await _compare(reader, catalogue, asked)
        finally:
            await reader.close()

    asyncio.run(compare())


async def _compare(reader: Reader, catalogue: Catalogue, asked: Asked) -> None:
    objective: Objective = asked.objective
    (answer,) = await reckon(reader, [asked])
    found = await listed(reader, catalogue, asked) if objective.kind != "freshness" else None
    reckoned: Reckoned = answer[ITEMS]
    if found is not None:
        numbers = {outcome: getattr(reckoned, outcome.value) for outcome in found.counts}
        assert found.counts == numbers, objective.name
    else:
        some = await find(reader, catalogue, asked, Outcome.BAD)
        assert (some.total > 0) == (reckoned.bad > 0), objective.name
    if objective.by_value and found is not None:
        for unit, of in answer.items():
            if unit:
                worth = {outcome: found.values[outcome].get(unit, 0) for outcome in Outcome}
                assert worth == {outcome: getattr(of, outcome.value) for outcome in Outcome}
    if objective.kind != "promise" and not asked.group:
        again = Tally(await contributed_where(reader, catalogue, asked, ()))
        assert again.reckon(asked)[ITEMS] == reckoned, objective.name
