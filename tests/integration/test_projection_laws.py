"""The projection against an oracle that knows nothing of logs, batches, caches or merges."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.projector import Helpers, Projector
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection
from slo_rules.acts import ACT_SOURCE
from slo_rules.contribution import Contributions, add, contributions
from slo_rules.durations import DAY, HOUR
from slo_rules.event import Event
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from tests.counting import something, stored_buckets
from tests.examples import on_one_database
from tests.projecting import enroll, helping, log_events, project, projecting, receive, stored, wipe
from tests.strategies import acts, definitions, events, of_one_time, plain_definitions

pytestmark = pytest.mark.slow

DEFINITIONS = definitions()
WORKFLOW = DEFINITIONS.workflows["orders"]
SLOW = on_one_database(40)


@pytest.fixture
def conn(either_url: str) -> Iterator[Connection]:
    with projecting(either_url) as connection:
        yield connection


BATCH = 3


@pytest.fixture
def helpers(either_url: str, conn: Connection) -> Iterator[Helpers]:
    catalogue = enroll(conn, DEFINITIONS)
    with helping(either_url) as found:
        found.reading.ask(0, 0, BATCH)
        while not found.reading.ready:
            found.reading.take(catalogue, 0, wait=True)
        yield found


def components(history: list[Event]) -> list[Progress]:
    """What instances there must be: events that share a joining key, directly or through others, are one."""
    matcher = Matcher([WORKFLOW])
    groups: list[tuple[set[str], list[Progress]]] = []
    for event in history:
        found = matcher.matches(event)
        if not found:
            continue
        keys = set(found[0][1].joining)
        if not keys:
            continue
        parts = [fold(None, found[0][1])]
        apart = []
        for group_keys, group_parts in groups:
            if group_keys & keys:
                keys |= group_keys
                parts += group_parts
            else:
                apart.append((group_keys, group_parts))
        groups = [*apart, (keys, parts)]
    return [reduce(join, parts) for _, parts in groups]


def in_width(found: Contributions, width: int) -> Contributions:
    """The same in wider buckets."""
    total: Contributions = {}
    for (name, group, unit, at), counts in found.items():
        add(total, {(name, group, unit, at - at % width): counts}, 1)
    return something(total)


def recomputed(progresses: list[Progress]) -> Contributions:
    total: Contributions = {}
    for progress in progresses:
        add(total, contributions(progress, WORKFLOW, DEFINITIONS.objectives.values()), 1)
    return something(total)


def apply_in_parts(conn: Connection, history: list[Event], cuts: list[int], batch: int) -> Catalogue:
    """Log and project the history in several commits, each with a projector that remembers nothing."""
    wipe(conn)
    catalogue = enroll(conn, DEFINITIONS)
    edges = [0, *sorted(cuts), len(history)]
    for start, end in pairwise(edges):
        log_events(conn, history[start:end])
        project(conn, catalogue, batch=batch)
    return catalogue


@SLOW
@given(events(20), st.data(), st.integers(1, 7))
def test_any_arrival_in_any_parts_gives_the_components_of_the_history(
    conn: Connection, history: list[Event], draw: st.DataObject, batch: int
) -> None:
    arrival = draw.draw(st.permutations(history + history[: len(history) // 3]))
    cuts = draw.draw(st.lists(st.integers(0, len(arrival)), max_size=3))
    apply_in_parts(conn, arrival, cuts, batch)
    wanted = components(history)
    found = [row["progress"] for row in stored(conn)]
    by_keys = {frozenset(progress.keys): progress for progress in found}
    assert by_keys == {frozenset(progress.keys): progress for progress in wanted}
    assert len(found) == len(wanted)
    assert stored_buckets(conn) == recomputed(wanted)
    assert stored_buckets(conn, 60) == in_width(recomputed(wanted), HOUR)
    assert stored_buckets(conn, 1440) == in_width(recomputed(wanted), DAY)


@SLOW
@given(events(20), st.sampled_from([1, 3, 1000]), st.data())
def test_reading_applying_and_writing_side_by_side_gives_the_same(
    conn: Connection, helpers: Helpers, history: list[Event], cached: int, draw: st.DataObject
) -> None:
    """With chunks read in the other process, as far as they are there in time, and instances dropped early."""
    wipe(conn)
    catalogue = enroll(conn, DEFINITIONS)
    log_events(conn, draw.draw(st.permutations(history + history[: len(history) // 3])))
    projector = Projector(catalogue, batch=BATCH, cached=cached, helpers=helpers)
    assert projector.acquire(conn)
    while not projector.cycle(conn).caught_up:
        pass
    wanted = components(history)
    found = [row["progress"] for row in stored(conn)]
    assert {frozenset(progress.keys): progress for progress in found} == {
        frozenset(progress.keys): progress for progress in wanted
    }
    assert len(found) == len(wanted)
    assert stored_buckets(conn) == recomputed(wanted)
    keys = conn.execute("SELECT count(*) FROM instance_key").fetchone()
    conn.commit()
    assert keys == (sum(len(progress.keys) for progress in wanted),)


@SLOW
@given(events(20, honest=True, waived=True), st.data(), st.integers(1, 7), st.integers(1, 7))
def test_a_rebuild_equals_what_was_there(
    conn: Connection, history: list[Event], draw: st.DataObject, batch: int, again: int
) -> None:
    cuts = draw.draw(st.lists(st.integers(0, len(history)), max_size=3))
    catalogue = apply_in_parts(conn, history, cuts, batch)
    before = fingerprints(conn)
    forget(conn, current_definitions=False)
    assert stored(conn) == []
    project(conn, catalogue, batch=again)
    assert fingerprints(conn) == before


@SLOW
@given(events(20, honest=True), st.integers(2, 30))
def test_events_heard_together_leave_what_they_leave_one_by_one(
    conn: Connection, history: list[Event], batch: int
) -> None:
    wipe(conn)
    catalogue = enroll(conn, plain_definitions())
    receive(conn, sorted(of_one_time(history), key=lambda event: event.received_at))
    project(conn, catalogue, batch=1)
    before = fingerprints(conn)
    forget(conn, current_definitions=False)
    project(conn, catalogue, batch=batch)
    assert fingerprints(conn) == before


@SLOW
@given(events(15), st.lists(acts(), max_size=8), st.data(), st.integers(1, 7))
def test_acts_count_for_what_was_known_and_make_nothing(
    conn: Connection, history: list[Event], said: list[Event], draw: st.DataObject, batch: int
) -> None:
    arrival = list(history)
    for act in said:
        arrival.insert(draw.draw(st.integers(0, len(arrival))), act)
    apply_in_parts(conn, arrival, draw.draw(st.lists(st.integers(0, len(arrival)), max_size=3)), batch)
    matcher, known, counted = Matcher([WORKFLOW]), set(), []
    for event in arrival:
        found = matcher.matches(event)
        keys = set(found[0][1].joining) if found else set()
        if event.source != ACT_SOURCE:
            known |= keys
        elif not keys & known:
            continue
        counted.append(event)
    wanted = components(counted)
    found_now = [row["progress"] for row in stored(conn)]
    assert {frozenset(progress.keys): progress for progress in found_now} == {
        frozenset(progress.keys): progress for progress in wanted
    }
    assert stored_buckets(conn) == recomputed(wanted)
    letters = conn.execute("SELECT count(*) FROM dead_letter WHERE source = 'milepost'").fetchone()
    conn.commit()
    assert letters == (len(arrival) - len(counted),)


@SLOW
@given(events(15))
def test_every_key_leads_to_its_one_instance(conn: Connection, history: list[Event]) -> None:
    apply_in_parts(conn, history, [len(history) // 2], 3)
    owners = {
        (namespace, value): id_
        for namespace, value, id_ in conn.execute("SELECT namespace, value, instance_id FROM instance_key WHERE joins")
    }
    conn.commit()
    for row in stored(conn):
        for word in row["progress"].keys:
            namespace, _, value = word.partition("=")
            if namespace in WORKFLOW.joining:
                assert owners.pop((namespace, value)) == row["id"]
    assert owners == {}
