"""A rehearsal says what the real projector says of the same history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.catalogue import load_catalogue
from collector.projector import Projector
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.matching import Matcher
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Definitions
from tests.examples import on_one_database
from tests.projecting import derived, enroll, receive, standing_in_rehearsal, standing_in_store, wipe
from tests.strategies import START, arrivals, definitions, expecting, make_event

pytestmark = pytest.mark.slow

DEFINITIONS = definitions()


@on_one_database(80)
@given(expecting(), arrivals(), st.lists(st.integers(0, 100).map(lambda n: START + n * 30 * MINUTE), max_size=4))
def test_a_rehearsal_stands_where_the_projector_stands(
    conn: Connection, known: Definitions, history: list[Event], asked: list[int]
) -> None:
    """The projector keeps up: time has passed for it up to just before each arrival."""
    wipe(conn)
    catalogue = enroll(conn, known)
    projector = Projector(catalogue)
    assert projector.acquire(conn)
    projector.apply_batch(conn)
    rehearsal = Rehearsal(Matcher(known.workflows.values()), known.sources.values(), history)
    arriving = list(history)
    for instant in [*sorted(asked), START + 60 * HOUR]:
        while arriving and arriving[0].received_at <= instant:
            event = arriving.pop(0)
            projector.sweep(conn, event.received_at - 1)
            receive(conn, [event])
            projector.apply_batch(conn)
        projector.sweep(conn, instant)
        rehearsal.proceed(instant)
        assert standing_in_rehearsal(rehearsal, DEFINITIONS) == standing_in_store(conn)
    letters = conn.execute("SELECT count(*) FROM dead_letter WHERE reason = 'no_usable_key'").fetchone()
    conn.commit()
    assert letters == (len(rehearsal.without_key),)
    letters = conn.execute("SELECT count(*) FROM dead_letter WHERE reason = 'no_such_instance'").fetchone()
    conn.commit()
    assert letters == (len(rehearsal.of_nothing),)


@on_one_database(60)
@given(expecting(), arrivals(), st.integers(1, 7), st.sets(st.integers(0, 11)))
# Overdue while only one type of its source was silent, which comes later, for another one.
@example(
    definitions("{expect: {type: accepted, every: 1h}}"),
    [
        make_event("won", 0, 1, "crm", {"order": "1"}),
        make_event("accepted", 0, 2, "sap", {"order": "2", "tax_code": "V1"}),
        make_event("accepted", 6 * HOUR, 3, "sap", {"order": "2", "tax_code": "V1"}),
    ],
    7,
    set(),
)
def test_what_is_recorded_does_not_depend_on_when_we_looked(
    conn: Connection, known: Definitions, history: list[Event], batch: int, restarts: set[int]
) -> None:
    """A projector that keeps up, begun anew now and then, records what a rebuild records that sees all at once."""
    wipe(conn)
    catalogue = enroll(conn, known)
    live = Projector(catalogue)
    assert live.acquire(conn)
    live.apply_batch(conn)
    end = START + 60 * HOUR
    for number, event in enumerate(history):
        if number in restarts:
            live = Projector(catalogue)
            assert live.acquire(conn)
            live.apply_batch(conn)
        live.sweep(conn, event.received_at - 1)
        receive(conn, [event])
        live.apply_batch(conn)
    live.sweep(conn, end)
    before, checks = derived(conn), next_checks(conn)
    forget(conn, current_definitions=False)
    again = Projector(catalogue, batch=batch)
    assert again.acquire(conn)
    while again.apply_batch(conn) is None:
        pass
    again.sweep(conn, end)
    assert derived(conn) == before
    for id_, check_at in next_checks(conn).items():
        # One that keeps up may look once for nothing, and never too late.
        assert check_at is None or (checks[id_] is not None and checks[id_] <= check_at), id_


def next_checks(conn: Connection) -> dict[Any, Any]:
    """When each instance will be judged again without an event."""
    found = dict(conn.execute("SELECT id, next_check_at FROM instance").fetchall())
    conn.commit()
    return found


def test_the_time_of_a_silence_that_did_not_come_is_no_difference(conn: Connection) -> None:
    """Found by the law above, once in 1,500 histories."""
    catalogue = enroll(conn, definitions(crm="{expect: {by: end of week 09:00, calendar: office}}"))
    live = Projector(catalogue)
    assert live.acquire(conn)
    receive(conn, [make_event("signed", HOUR, 1, "crm", {"parcel": "P1"})])
    live.apply_batch(conn)
    live.sweep(conn, START + 5 * HOUR)
    receive(conn, [make_event("noise", 5 * HOUR, 2, "crm", {})])
    live.apply_batch(conn)
    live.sweep(conn, START + 60 * HOUR)
    before, [early] = fingerprints(conn), next_checks(conn).values()
    forget(conn, current_definitions=False)
    again = Projector(catalogue)
    assert again.acquire(conn)
    again.apply_batch(conn)
    again.sweep(conn, START + 60 * HOUR)
    assert (fingerprints(conn), list(next_checks(conn).values())) == (before, [None])
    assert early is not None


def test_a_source_that_falls_behind_changes_nothing_of_what_was_due_before(conn: Connection) -> None:
    """Found by the law above."""

    def heard(number: int, occurred: int, received: int) -> Event:
        return make_event("noise", occurred, number, "sap", {}, received)

    enroll(conn, DEFINITIONS)
    order = make_event("won", 0, 2, "crm", {"order": "O"}, 0)
    arriving = [heard(1, 0, 0), order, heard(5, 118 * MINUTE, 118 * MINUTE), heard(3, 235 * MINUTE, 235 * MINUTE)]
    for event in [*arriving, heard(4, 2 * HOUR, 5 * HOUR)]:
        receive(conn, [event])
    projector = Projector(load_catalogue(conn))
    assert projector.acquire(conn)
    projector.apply_batch(conn)
    projector.sweep(conn, START + 9 * HOUR)
    changes = conn.execute("SELECT verdict, reason FROM verdict_change ORDER BY at").fetchall()
    conn.commit()
    assert ("stuck", "overdue") in changes
    assert ("blind", "source_catching_up") not in changes
