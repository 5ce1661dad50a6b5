"""Where steps stand on the picture of a workflow, and what the palette and the chips say."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.flow_comparison import Said
from dashboard import time_range
from dashboard.flow_layout import GAP, STEP_HEIGHT, height, lines, places
from dashboard.links import Links
from dashboard.views.flow import seconds_of
from dashboard.views.flow_comparison import change, groups
from dashboard.views.found import found
from dashboard.views.worklist import chips, filters_from

LINKS = Links("/dashboard/")
NAMES = st.sampled_from("abcdefgh")


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3)))
def test_each_step_has_a_place_of_its_own_within_its_row(after: dict[str, list[str]]) -> None:
    found = places(after)
    assert set(found) == set(after)
    assert len(set(found.values())) == len(found)
    assert all(0 <= place.column < place.columns and 0 < place.middle < 1 for place in found.values())
    rows = {place.row for place in found.values()}
    assert rows == set(range(len(rows)))
    assert lines(after, found).startswith("data:image/svg+xml,")


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_a_step_stands_below_all_it_comes_after(before: list[set[int]]) -> None:
    after = {str(n): [str(m) for m in sorted(names) if m < n] for n, names in enumerate(before)}
    found = places(after)
    assert all(found[one].row < found[name].row for name, names in after.items() for one in names)


def test_lines_go_from_the_foot_of_one_step_to_the_head_of_the_next() -> None:
    after = {"a": [], "b": ["a"], "c": ["a"]}
    drawn = unquote(lines(after, places(after)))
    assert f"M500 {STEP_HEIGHT} C" in drawn
    assert f" 250 {STEP_HEIGHT + GAP}" in drawn
    assert height(places(after)) == 2 * STEP_HEIGHT + GAP


@pytest.mark.parametrize(
    ("length", "seconds"),
    [("4h", 14_400), ("1d12h", 129_600), ("90m", 5_400), (None, None), ("by 17:00", None), ("", None)],
)
def test_a_promise_is_drawn_where_it_is_a_plain_length(length: str | None, seconds: float | None) -> None:
    assert seconds_of(length) == seconds


def test_the_palette_offers_an_account_once_however_many_instances_carry_it() -> None:
    key = {"namespace": "account", "value": "ACME", "joins": False}
    one = {"id": "1", "title": "O-1", "workflow": "orders", "verdict": "stuck", "key": key}
    told = str(found("acme", [], [one, one | {"id": "2", "title": "O-2"}], LINKS))
    assert told.count("/dashboard/accounts/account/ACME") == 1
    assert "/dashboard/instances/2" in told


def test_a_key_with_a_slash_stays_one_part_of_the_address() -> None:
    assert LINKS.account("account", "A/1 ?") == "/dashboard/accounts/account/A%2F1%20%3F"


def test_chips_tell_each_filter_but_verdicts_and_words() -> None:
    asked = {"verdict": ["stuck"], "q": "x", "owner": "erp", "acknowledged": "false", "min_value": "2500"}
    told = [str(chip) for chip in chips(filters_from(asked))]
    assert len(told) == 4
    assert "not yet" in told[1]
    assert "2,500 or more" in told[2]


def test_a_flag_that_is_neither_true_nor_false_is_no_filter() -> None:
    assert filters_from({"acknowledged": "perhaps"}) == {}


NOW = datetime(2026, 11, 22, 8, 3, 41, tzinfo=UTC)


def test_a_relative_time_is_compared_with_as_long_a_time_before_it() -> None:
    assert time_range.sides({"since": "24h"}, NOW) == (
        Said("2026-11-21T08:00:00Z", None),
        Said("2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z"),
    )
    assert time_range.names({"since": "24h"}) == ("the last 24 hours", "the 24 hours before")


def test_who_asks_again_within_minutes_asks_the_same() -> None:
    asked = {"since": "7d", "than": "same", "than_of": "region=EMEA"}
    assert time_range.sides(asked, NOW) == time_range.sides(asked, NOW.replace(second=59))
    assert time_range.names(asked) == ("the last 7 days", "the last 7 days, region EMEA")


def test_groups_without_a_time_are_of_any_time() -> None:
    assert time_range.sides({"of": "region=EMEA"}, NOW) == (Said(None, None, ("region=EMEA",)), Said())
    assert time_range.names({"of": "region=EMEA"}) == ("region EMEA", "all")
    assert time_range.sides({}, NOW) is None


@given(st.dictionaries(st.sampled_from(time_range.FIELDS), st.text(max_size=20)))
def test_whatever_stands_in_an_address_is_asked_and_named(asked: dict[str, str]) -> None:
    time_range.sides(asked, NOW)
    assert all(time_range.names(asked))


def test_a_difference_is_told_as_people_say_it() -> None:
    assert change({"measure": "median_seconds", "one": 30.0, "other": 10.0}) == "3.0× as long"
    assert change({"measure": "p95_seconds", "one": 5.0, "other": 10.0}) == "50% shorter"
    assert change({"measure": "p95_seconds", "one": 5.0, "other": 0.0}) == "longer"
    assert change({"measure": "late_share", "one": 0.25, "other": 0.125}) == "12.5 points more"


def test_what_was_chosen_is_offered_even_where_no_instance_has_it_any_more() -> None:
    offered = groups([{"attribute": "region", "values": [{"value": "EMEA", "count": 2}]}], "region=EMEA", "tier=gold")
    assert [one.get("value") for one in offered] == ["tier=gold", None]
    assert offered[1]["items"] == [{"value": "region=EMEA", "label": "EMEA (2)"}]
