"""What objectives come to is the same from the store's buckets and from those of a rehearsal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.projector import Projector
from collector.query.objectives import list_objectives
from collector.query.reader import Reader, Row
from collector.query.reckoning import reckon_on
from collector.query.staleness import Memory
from collector.store.database import Connection
from slo_rules.acts import ACT_SOURCE
from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS
from slo_rules.durations import HOUR
from slo_rules.event import Event
from slo_rules.matching import Matcher
from slo_rules.objective import ALL
from slo_rules.reckoning import Asked, missing
from slo_rules.rehearsal import Rehearsal
from tests.examples import on_one_database
from tests.integration.test_objective_gauges import now_of
from tests.projecting import enroll, project, projecting, receive, wipe
from tests.reckoning import KNOWN, busy, questions
from tests.strategies import START, arrivals

pytestmark = pytest.mark.slow


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with projecting(database_url) as connection:
        yield connection


@on_one_database(60)
@given(
    st.one_of(busy(), busy(), arrivals(20)),
    questions(),
    st.integers(1, 7),
    st.lists(st.integers(0, 30), max_size=3).map(sorted),
)
def test_the_store_and_a_rehearsal_give_the_same_answers(
    conn: Connection, history: list[Event], asked: list[Asked], batch: int, restarted: list[int]
) -> None:
    """Also where they remember what was answered before. That they are right is held in the unit tests, one by one."""
    wipe(conn)
    catalogue, memory = enroll(conn, KNOWN), Memory()
    for since, until in pairwise([0, *restarted, len(history)]):
        part = history[since:until]
        reckon_on(conn, asked, memory)
        conn.commit()
        receive(conn, part)
        projector = Projector(catalogue, batch=batch)
        assert projector.acquire(conn)
        while projector.apply_batch(conn) is None:
            pass
    answers = reckon_on(conn, asked, memory)
    assert answers == reckon_on(conn, asked)
    conn.commit()
    rehearsal = Rehearsal(Matcher(KNOWN.workflows.values()), KNOWN.sources.values(), history)
    rehearsal.proceed(history[-1].received_at if history else START)
    tally = rehearsal.tally(KNOWN.objectives.values())
    assert answers == [tally.reckon(question) for question in asked]


@on_one_database(15)
@given(history=busy(), ago=st.sampled_from([0, 2 * HOUR, 10 * HOUR]))
def test_a_test_finds_what_the_page_says(conn: Connection, database_url: str, history: list[Event], ago: int) -> None:
    """Window, budget, silence and burn rates, of an order that began some days ago."""
    wipe(conn)
    catalogue = enroll(conn, KNOWN)
    shift = now_of(conn) - ago - history[-1].received_at
    shift -= shift % BUCKET
    history = [
        msgspec.structs.replace(event, occurred_at=event.occurred_at + shift, received_at=event.received_at + shift)
        for event in history
        # A waiver says until when, and that would be over.
        if event.source != ACT_SOURCE
    ]
    receive(conn, history)
    project(conn, catalogue)
    rows, now = asyncio.run(_page(conn, database_url, catalogue))
    rehearsal = Rehearsal(Matcher(KNOWN.workflows.values()), KNOWN.sources.values(), history)
    rehearsal.proceed(now)
    for row in rows:
        objective = KNOWN.objectives[row["name"]]
        silence = missing(objective, KNOWN.workflows["orders"], rehearsal.marks, now)
        stand = rehearsal.tally([objective]).stand(objective, ALL, silence, now)
        found = stand.by_unit[ITEMS]
        assert [row[name] for name in found._fields] == list(found)
        assert row["missing_source"] == (silence.source if silence else None)
        assert [(one["severity"], one["rate"]) for one in row["burning"]] == [
            (one.tier.severity, one.rate) for one in stand.burning
        ]
        assert {one["currency"]: (one["good"], one["bad"]) for one in row["values"]} == {
            unit: (float(one.good), float(one.bad)) for unit, one in stand.by_unit.items() if unit
        }


async def _page(conn: Connection, database_url: str, catalogue: Catalogue) -> tuple[list[Row], int]:
    """What is said of every objective, and an instant of the same five minutes."""
    reader = Reader(database_url)
    await reader.open()
    try:
        while True:
            now = now_of(conn)
            rows = await list_objectives(reader, catalogue)
            if now_of(conn) // BUCKET == now // BUCKET:
                return rows, now
    finally:
        await reader.close()
