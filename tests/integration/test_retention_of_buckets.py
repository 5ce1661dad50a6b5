"""Buckets that are kept say the same whether older ones were dropped, whenever that was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.buckets import within_retention
from collector.retention.policy import Kept
from collector.store.database import Connection
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import to_datetime, to_micros
from tests.examples import on_one_database
from tests.integration.fix_retention import KEPT, days, event, fill, rows, run
from tests.projecting import enroll, project, projecting, receive, stored, wipe
from tests.strategies import START, definitions, make_event

pytestmark = pytest.mark.slow

FIRST_DAY = to_datetime((START // DAY + 2) * DAY)
Place = tuple[str, str, int, str]


def buckets(conn: Connection) -> dict[Place, dict[datetime, list[Any]]]:
    """What was counted, by objective, group, width and unit."""
    found: dict[Place, dict[datetime, list[Any]]] = {}
    for *place, bucket, good, bad, waived, cancelled, step in rows(
        conn, "SELECT objective, grp, minutes, unit, bucket, good, bad, waived, cancelled, stale_step FROM sli_bucket"
    ):
        found.setdefault((*place,), {})[bucket] = [good, bad, waived, cancelled, step]
    return found


def dropped(whole: dict[Place, dict[datetime, list[Any]]], since: datetime) -> dict[Place, dict[datetime, list[Any]]]:
    """What is to be left: later buckets as they are, with all steps before in the first. Empty ones say nothing."""
    found: dict[Place, dict[datetime, list[Any]]] = {}
    for place, series in whole.items():
        left = {bucket: counts for bucket, counts in series.items() if bucket >= since}
        steps = sum(counts[4] for bucket, counts in series.items() if bucket < since)
        first = left.get(since, [Decimal(0)] * 4 + [0])
        left[since] = [*first[:4], first[4] + steps]
        found[place] = {bucket: counts for bucket, counts in left.items() if any(counts)}
    return {place: series for place, series in found.items() if series}


def told(found: dict[Place, dict[datetime, list[Any]]]) -> dict[Place, dict[datetime, list[Any]]]:
    """Without those that are empty."""
    left = {place: {at: counts for at, counts in series.items() if any(counts)} for place, series in found.items()}
    return {place: series for place, series in left.items() if series}


def orders() -> st.SearchStrategy[list[Event]]:
    """Orders won and accepted within two and a half days, and what else may be said of them, in any order.

    All of it arrives when all has occurred. What is told twice may be told differently.
    """
    hour = st.integers(0, 60)
    one = st.tuples(st.sampled_from(["won", "accepted"]), st.integers(1, 3), hour)
    other = st.tuples(st.sampled_from(["cancelled", "failed", "paid", "linked"]), st.integers(1, 3), hour)
    return st.lists(st.one_of(one, one, one, other), min_size=4, max_size=14).map(
        lambda said: [
            make_event(
                type_, at * HOUR, number, "sap" if type_ == "accepted" else "crm",
                {"order": f"SO-{order}", "tax_code": "V1", "region": "APAC", "amount": 10, "currency": "EUR"},
                3 * DAY + number * MINUTE,
            )
            for number, (type_, order, at) in enumerate(said)
        ]
    )  # fmt: skip


@given(history=orders(), cut=st.integers(0, 14), batch=st.sampled_from([1, 3, 1000]))
@on_one_database(25)
def test_what_is_kept_is_what_would_have_been_kept(
    conn: Connection, history: list[Event], cut: int, batch: int
) -> None:
    whole = []
    for drops in (False, True):
        wipe(conn)
        with conn.transaction():
            conn.execute("DELETE FROM retention")
        catalogue = enroll(conn, definitions())
        receive(conn, history[:cut])
        project(conn, catalogue, batch=batch)
        if drops:
            run(
                conn,
                replace(KEPT, events=None, instances=None, buckets=to_micros(datetime.now(UTC)) - to_micros(FIRST_DAY)),
            )
        receive(conn, history[cut:])
        project(conn, catalogue, batch=batch)
        whole.append(buckets(conn))
    if rows(conn, "SELECT kept_since FROM retention WHERE class = 'buckets'") == [(FIRST_DAY,)]:
        assert told(whole[1]) == dropped(whole[0], FIRST_DAY)
    else:
        assert told(whole[1]) == told(whole[0])


def test_a_late_correction_of_what_was_dropped_does_no_harm(either_url: str) -> None:
    with projecting(either_url) as conn:
        catalogue = fill(conn)
        report = run(conn, replace(KEPT, buckets=days(150)))
        assert report.dropped[Kept.BUCKETS].rows > 0
        (since,) = rows(conn, "SELECT kept_since FROM retention WHERE class = 'buckets'")[0]
        assert rows(conn, f"SELECT count(*) FROM sli_bucket WHERE bucket < '{since}'") == [(0,)]
        # SO-3 was accepted much too late, and now it turns out that it was in time.
        before = told(buckets(conn))
        receive(conn, [event("accepted", 0.5, 50, "sap", late=199.2, order="SO-3")])
        project(conn, catalogue)
        assert {row["title"] for row in stored(conn)} == {"SO-1", "SO-2", "SO-3", "SO-4"}
        assert rows(conn, "SELECT count(*) FROM dead_letter WHERE reason = 'cannot_be_applied'") == [(0,)]
        after = told(buckets(conn))
        assert rows(conn, f"SELECT count(*) FROM sli_bucket WHERE bucket < '{since}'") == [(0,)]
        fresh = ("accepted-fresh", "", 5, "")
        assert after.get(fresh) != before.get(fresh)
        assert sum(counts[4] for counts in after.get(fresh, {}).values()) == sum(
            counts[4] for counts in before[fresh].values()
        )


def test_an_objective_that_was_kept_for_years_has_not_begun_only_now(either_url: str) -> None:
    with projecting(either_url) as conn:
        catalogue = enroll(conn, definitions())
        receive(conn, [event("won", 300, 1, order="X"), event("accepted", 299.5, 2, "sap", order="X")])
        project(conn, catalogue)
        for later in range(3):
            run(conn, replace(KEPT, buckets=days(150)), later=timedelta(days=2 * later))
            first = rows(
                conn,
                "SELECT min(bucket) FROM sli_bucket WHERE objective = 'accepted-fresh' AND grp = '' AND minutes = 5",
            )
            assert first == rows(conn, "SELECT kept_since FROM retention WHERE class = 'buckets'")


def test_money_stays_of_one_type() -> None:
    at = [FIRST_DAY - timedelta(days=2), FIRST_DAY - timedelta(days=1), FIRST_DAY]
    said = {
        "objectives": ["a"] * 3, "groups": [""] * 3, "minutes": [5] * 3, "buckets": at, "units": ["EUR"] * 3,
        "good": [Decimal("1.5")] * 3, "bad": [Decimal(2)] * 3, "waived": [Decimal(0)] * 3, "cancelled": [Decimal(0)] * 3,
        "steps": [1, 0, -1],
    }  # fmt: skip
    found = within_retention(said, FIRST_DAY)
    assert found["buckets"] == [FIRST_DAY]
    assert (found["good"], found["bad"], found["steps"]) == ([Decimal("1.5")], [Decimal(2)], [0])
    assert {type(one) for one in found["good"]} == {Decimal}
    assert within_retention(found, FIRST_DAY) is found
    assert within_retention(said | {"steps": [0, 0, 0]}, FIRST_DAY + timedelta(days=1))["buckets"] == []
