"""The pure parts of a report: what is asked for, what becomes of text in a page, and the arithmetic of an item."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.instances import BadQuery
from milepost.html_text import element, markup
from milepost.report_question import ReportQuestion, question_of
from milepost.report_tables import _cell
from slo_rules.instants import rfc3339, to_micros

NOW = to_micros(datetime(2026, 11, 21, 12, 3, 7, tzinfo=UTC))


def asked(**changes: str | None) -> ReportQuestion:
    said: dict = {"month": None, "since": None, "until": None, "zone": "UTC", "names": (), "groups": ()}
    return question_of(**said | changes, now=NOW)


def times(question: ReportQuestion) -> tuple[str, str, bool, str]:
    return rfc3339(question.since), rfc3339(question.until), question.over, question.period


def test_without_a_time_it_is_the_last_whole_month() -> None:
    assert times(asked()) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", True, "October 2026")
    assert times(asked(zone="Europe/Berlin")) == (
        "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", True, "October 2026",
    )  # fmt: skip


def test_a_month_that_is_not_over_is_so_far() -> None:
    assert times(asked(month="2026-11")) == (
        "2026-11-01T00:00:00Z", "2026-11-21T12:00:00Z", False, "November 2026 so far",
    )  # fmt: skip


def test_a_span_is_widened_to_whole_five_minutes() -> None:
    assert times(asked(since="2026-11-20T09:01:00Z", until="2026-11-20T09:11:00+00:00"))[:3] == (
        "2026-11-20T09:00:00Z", "2026-11-20T09:15:00Z", True,
    )  # fmt: skip
    assert asked(since="2026-07-01", until="2026-10-01").period == "1 Jul 2026 to 1 Oct 2026"
    assert asked(since="2026-11-20").period == "20 Nov 2026 to 21 Nov 2026 12:00"
    assert times(asked(since="2026-11-20", zone="Asia/Tokyo"))[:2] == ("2026-11-19T15:00:00Z", "2026-11-21T12:00:00Z")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "0000-01", "1970-01", "x", "", "９９９９-01x"])
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(BadQuery, match="--month"):
        asked(month=month)


@given(st.text(max_size=30))
def test_any_time_is_a_time_or_a_fault(text: str) -> None:
    for name in ("month", "since"):
        with suppress(BadQuery):
            question = asked(**{name: text})
            assert question.since < question.until <= NOW


def test_text_is_escaped_once_and_what_does_not_print_is_replaced() -> None:
    cell = element("td", ["<b>", element("i", 'a"b'), "\x00\u202e", 5, None], class_='"x"')
    assert cell == '<td class="&quot;x&quot;">&lt;b&gt;<i>a&quot;b</i>\ufffd\ufffd5</td>'
    assert markup(None) == ""


@given(st.text(max_size=20))
def test_no_text_becomes_markup(text: str) -> None:
    assert "<" not in markup(text)
    assert "<" not in element("p", a=text)[3:-4].removesuffix(">")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "\n-1", "＝1", "-2+3|cmd"])
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    said = _cell(text)
    assert isinstance(said, str)
    assert not said.lstrip().startswith(tuple("=+-@＝"))


def test_numbers_stay_numbers() -> None:
    assert [_cell(one) for one in (-1.5, 0, True, None, "a-1")] == [-1.5, 0, "yes", "", "a-1"]
