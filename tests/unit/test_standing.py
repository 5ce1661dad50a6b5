"""How a replica stands beside its primary, by what both say of themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.standing import Identity, Replayed, Written, stand

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HERE = Identity(cluster=7, database=16_384, schema="0014")
PRIMARY = Written(AT, 1_000, HERE)
CAUGHT_UP = Replayed(standby=True, replayed=1_000, last_commit=AT - timedelta(days=3), swept_to=None, identity=HERE)


def ago(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


def test_a_replica_that_has_everything_is_up_to_date_however_long_ago_the_last_commit_was() -> None:
    found = stand(PRIMARY, CAUGHT_UP, None, AT)
    assert (found.unfit, found.as_of, found.lag) == (None, AT, timedelta())


def test_a_replica_that_is_behind_is_as_of_the_last_commit_it_has_replayed() -> None:
    found = stand(PRIMARY, replace(CAUGHT_UP, replayed=999, last_commit=ago(40)), None, AT)
    assert (found.unfit, found.as_of, found.lag) == (None, ago(40), timedelta(seconds=40))


def test_what_it_was_known_to_have_it_does_not_lose() -> None:
    found = stand(PRIMARY, replace(CAUGHT_UP, replayed=999, last_commit=ago(40)), ago(3), AT)
    assert found.as_of == ago(3)


def test_without_a_word_of_the_primary_it_stays_where_it_was() -> None:
    found = stand(PRIMARY, CAUGHT_UP, AT, AT + timedelta(seconds=30))
    assert (found.as_of, found.lag) == (AT, timedelta(seconds=30))


def test_a_clock_that_runs_ahead_makes_nobody_newer_than_now() -> None:
    assert stand(PRIMARY, replace(CAUGHT_UP, replayed=1, last_commit=ago(-60)), None, AT).lag == timedelta()


@pytest.mark.parametrize(
    ("replayed", "why"),
    [
        (replace(CAUGHT_UP, standby=False, replayed=None), "promoted"),
        (replace(CAUGHT_UP, identity=replace(HERE, cluster=8)), "no replica of this database"),
        (replace(CAUGHT_UP, identity=replace(HERE, database=1)), "no replica of this database"),
        (replace(CAUGHT_UP, identity=replace(HERE, schema="0013")), "schema to version 0014"),
        (replace(CAUGHT_UP, replayed=3, last_commit=None), "not replayed any commit yet"),
    ],
)
def test_what_is_not_read_is_said_with_its_reason(replayed: Replayed, why: str) -> None:
    assert why in (stand(PRIMARY, replayed, None, AT).unfit or "")


seconds = st.integers(0, 1_000)


@given(st.integers(0, 2_000), st.none() | seconds, st.none() | seconds, seconds)
def test_nothing_later_than_what_was_replayed_is_promised(
    replayed: int, commit: int | None, former: int | None, since: int
) -> None:
    asked = AT + timedelta(seconds=since)
    last, before = (None if one is None else ago(one) for one in (commit, former))
    found = stand(PRIMARY, replace(CAUGHT_UP, replayed=replayed, last_commit=last), before, asked)
    grounds = [one for one in (last, before, AT if replayed >= PRIMARY.written else None) if one is not None]
    assert (found.unfit is None) == bool(grounds)
    if grounds:
        assert found.as_of == max(grounds) <= asked
