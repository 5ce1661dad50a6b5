"""Where steps stand on the picture of a workflow, and what the palette and the chips say."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.flow_layout import GAP, STEP_HEIGHT, height, lines, places
from dashboard.links import Links
from dashboard.views.flow import seconds_of
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
