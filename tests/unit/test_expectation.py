"""What is expected of a source: when the next arrival is due, and what a source document may say of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.calendars import CalendarRules, Hours, prepared
from slo_rules.deadline_rules import RECURRING_SPELLINGS, parse_recurring_rule
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE, parse_duration
from slo_rules.expectation import DEFAULT_OPENS, Expectation
from slo_rules.faults import DefinitionError
from slo_rules.hearing import expected, heard, is_unseen, resumes, unheard, watermarks_of
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Watermark
from slo_rules.public_holidays import HolidayRules
from slo_rules.workflow import Source

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = CalendarRules(
    "bank", "Europe/Berlin", ((Hours(540, 1020),),) * 5 + ((), ()), title="Bank days", holidays=HolidayRules("DE")
)
NIGHTS = CalendarRules("nights", "Europe/Berlin", ((Hours(1320, 1800),),) * 7)


def at(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def wall(micros: int | None) -> str | None:
    return None if micros is None else f"{to_datetime(micros).astimezone(BERLIN):%a %Y-%m-%d %H:%M}"


def expecting(length: str, opens: str = "4h", calendar: CalendarRules | None = OFFICE) -> Expectation:
    try:
        return Expectation(parse_duration(length), calendar)
    except ValueError:
        return Expectation(parse_recurring_rule(length), calendar, parse_duration(opens))


@pytest.mark.parametrize(
    ("length", "last", "due"),
    [
        ("15m", "2026-03-06 16:40", "Fri 2026-03-06 16:55"),
        ("15m", "2026-03-06 16:50", "Mon 2026-03-09 09:05"),
        ("15m", "2026-03-07 12:00", "Mon 2026-03-09 09:15"),
        ("15m", "2026-04-02 16:59", "Tue 2026-04-07 09:14"),  # Good Friday, Easter Monday
        ("8h", "2026-03-27 12:00", "Mon 2026-03-30 12:00"),  # clocks go forward on Sunday
        # Every business day by six; its window opens at two.
        ("every business day 06:00", "2026-03-05 05:10", "Fri 2026-03-06 06:00"),
        ("every business day 06:00", "2026-03-05 02:00", "Fri 2026-03-06 06:00"),
        ("every business day 06:00", "2026-03-05 01:59", "Thu 2026-03-05 06:00"),
        ("every business day 06:00", "2026-03-05 06:00", "Fri 2026-03-06 06:00"),
        ("every business day 06:00", "2026-03-05 13:00", "Fri 2026-03-06 06:00"),  # late, and not early for the next
        ("every business day 06:00", "2026-03-06 05:10", "Mon 2026-03-09 06:00"),
        ("every business day 06:00", "2026-03-07 05:10", "Mon 2026-03-09 06:00"),  # a Saturday settles nothing
        ("every business day 06:00", "2026-04-02 05:30", "Tue 2026-04-07 06:00"),
        ("every business day 06:00", "2026-12-24 05:30", "Mon 2026-12-28 06:00"),
        ("every business day 06:00", "2026-03-27 05:30", "Mon 2026-03-30 06:00"),
        ("every business day 06:00", "2026-10-23 05:30", "Mon 2026-10-26 06:00"),
        ("every business day", "2026-03-05 12:59", "Thu 2026-03-05 17:00"),
        ("every business day", "2026-03-05 13:00", "Fri 2026-03-06 17:00"),
        ("end of week 18:00", "2026-03-31 10:00", "Thu 2026-04-02 18:00"),  # the last business day before Good Friday
        ("end of month - 2 business days 18:00", "2026-03-27 15:00", "Tue 2026-04-28 18:00"),
        ("end of month - 2 business days 18:00", "2026-03-27 13:00", "Fri 2026-03-27 18:00"),
        # Of a month that is over: its first business day is the second of April for one who asks on the first.
        ("end of month + 2 business days 12:00", "2026-04-01 07:00", "Thu 2026-04-02 12:00"),
        ("end of month + 2 business days 12:00", "2026-04-02 08:30", "Tue 2026-05-05 12:00"),
        ("end of quarter", "2026-03-31 14:00", "Tue 2026-06-30 17:00"),
        ("end of year", "2026-03-31 14:00", "Thu 2026-12-31 17:00"),
        ("end of week + 7 business days", "2026-03-05 10:00", "Tue 2026-03-10 17:00"),
    ],
)
def test_the_next_arrival_is_due(length: str, last: str, due: str) -> None:
    assert wall(expecting(length).due(at(last))) == due


def test_a_moment_that_the_clocks_skip_is_at_the_end_of_the_gap() -> None:
    every_day = CalendarRules("days", "Europe/Berlin", ((Hours(0, 1440),),) * 7)
    expectation = expecting("every business day 02:30", "1h", every_day)
    assert wall(expectation.due(at("2026-03-28 02:00"))) == "Sun 2026-03-29 03:00"
    assert wall(expectation.due(at("2026-10-24 02:00"))) == "Sun 2026-10-25 02:30"
    assert wall(expectation.due(at("2026-10-25 03:00"))) == "Mon 2026-10-26 02:30"


def test_the_close_of_a_shift_that_runs_into_the_next_date_is_the_next_moment_there() -> None:
    expectation = expecting("every business day", "1h", NIGHTS)
    assert wall(expectation.due(at("2026-03-05 03:00"))) == "Thu 2026-03-05 06:00"
    assert wall(expectation.due(at("2026-03-05 05:00"))) == "Fri 2026-03-06 06:00"


def test_a_cadence_without_a_calendar_counts_around_the_clock() -> None:
    assert Expectation(15 * MINUTE).due(at("2026-03-07 12:00")) == at("2026-03-07 12:15")


def test_beyond_the_calendar_nothing_is_expected() -> None:
    for length in ("15m", "every business day 06:00", "end of month + 2 business days"):
        assert expecting(length).due(at("2199-12-31 23:00")) is None


LENGTHS = st.sampled_from(
    ["15m", "2d", *RECURRING_SPELLINGS, "end of week + 7 business days", "end of month + 250 business days"]
)
INSTANTS = st.integers(at("2025-11-01 00:00") // MINUTE, at("2027-03-01 00:00") // MINUTE).map(lambda n: n * MINUTE)


@given(LENGTHS, st.sampled_from(["1m", "4h", "12h", "3d"]), st.sampled_from([OFFICE, NIGHTS]), INSTANTS, INSTANTS)
def test_what_is_due_lies_ahead_and_never_moves_back(
    length: str, opens: str, calendar: CalendarRules, one: int, other: int
) -> None:
    """What records verdicts relies on it: an arrival before the due time moves it on, or leaves it where it is."""
    expectation = expecting(length, opens, calendar)
    first, second = expectation.due(min(one, other)), expectation.due(max(one, other))
    assert first is not None
    assert second is not None
    assert first <= second
    assert first - min(one, other) >= expectation.patience


@given(st.sampled_from(RECURRING_SPELLINGS), st.sampled_from([OFFICE, NIGHTS]), INSTANTS)
def test_the_moments_of_a_schedule_are_those_of_its_periods(length: str, calendar: CalendarRules, last: int) -> None:
    """Against the rule of deadlines, asked on every day around."""
    rule, ready = parse_recurring_rule(length), prepared(calendar)
    day = to_datetime(last).date() - timedelta(days=200)
    days = [datetime.combine(day + timedelta(days=n), datetime.min.time(), BERLIN) for n in range(400)]
    moments = sorted({moment for one in days if (moment := ready.by(rule, to_micros(one))) is not None})
    assert ready.next_by(rule, last) == next(moment for moment in moments if moment > last)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{every: 15m}", "at least every 15m"),
        ("{every: 1h30m, calendar: bank}", "at least every 1h30m of the time of Bank days"),
        ("{by: business_day 6:00, calendar: bank}", "every business day by 06:00 (Bank days)"),
        ("{by: Every Business Day, calendar: bank}", "every business day by the close of business (Bank days)"),
        ("{by: end of month − 2 business days 18:00, calendar: bank}",
         "every month by end of month - 2 business days 18:00 (Bank days)"),
    ],
)  # fmt: skip
def test_an_expectation_is_said_in_words(text: str, words: str) -> None:
    (source,) = load({"a.yaml": CALENDAR + SOURCE.format(f"expect: {text}")}).sources.values()
    assert source.expects is not None
    assert source.expects.words == words
    assert msgspec.json.decode(msgspec.json.encode(source), type=Source) == source


CALENDAR = """\
apiVersion: milepost/v1
kind: Calendar
metadata: {name: bank, title: Bank days}
spec: {zone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: once}
spec: {zone: Europe/Berlin, hours: {}, special: {2026-12-30: ["08:00-10:00"]}}
---
"""
SOURCE = """\
apiVersion: milepost/v1
kind: Source
metadata: {{name: settlements}}
spec: {{{}}}
"""


def test_the_short_form_means_the_same() -> None:
    short, long = (load({"a.yaml": SOURCE.format(one)}) for one in ("silent_after: 15m", "expect: {every: 15m}"))
    assert short.sources == long.sources == {"settlements": Source("settlements", expects=Expectation(15 * MINUTE))}


def test_expectations_of_types_stand_beside_that_of_all() -> None:
    text = "expect: [{every: 15m, calendar: bank}, {type: file, by: every business day 06:00, calendar: bank}]"
    (source,) = load({"a.yaml": CALENDAR + SOURCE.format(text)}).sources.values()
    assert source.expects is not None
    assert (source.expects.length, set(source.types)) == (15 * MINUTE, {"file"})
    assert source.types["file"].opens == DEFAULT_OPENS
    assert source.types["file"].calendar == source.expects.calendar
    assert source.types["file"].calendar is not None


E = "spec.expect"
FAULTS = [
    ("silent_after: 15m, expect: {every: 15m}",
     [(E, "say 'expect' or 'silent_after', which is short for {every: …}, not both")]),
    ("expect: 15m", [(E, "must be a mapping, not text")]),
    ("expect: []", [(E, "must expect at least one thing")]),
    ("expect: {}", [(E, "say exactly one of 'every', such as 15m, or 'by', such as every business day 06:00")]),
    ("expect: {every: 15m, by: end of week, calendar: bank}",
     [(E, "say exactly one of 'every', such as 15m, or 'by', such as every business day 06:00")]),
    ("expect: {every: now, calender: bank}",
     [(f"{E}.calender", "unknown field 'calender' — did you mean 'calendar'?"),
      (f"{E}.every", "'now' is not a duration; write it like 90s, 15m, 4h, 2d or 1h30m")]),
    ("expect: {every: 15m, calendar: banc}", [(f"{E}.calendar", "there is no calendar 'banc' — did you mean 'bank'?")]),
    ("expect: [{every: 15m}, {type: a, every: 1h, calendar: banc}]",
     [(f"{E}[1].calendar", "there is no calendar 'banc' — did you mean 'bank'?")]),
    ("expect: {every: 15m, calendar: once}",
     [(f"{E}.calendar", "the calendar 'once' has no weekly hours: nothing can be expected on it again and again")]),
    ("expect: {every: 15m, opens: 1h}",
     [(f"{E}.opens", "only the moments of a schedule, 'by', have a time before them that opens")]),
    ("expect: {by: every business day 06:00}",
     [(f"{E}.by", "a schedule needs a calendar: name the one whose business days and time of day are meant")]),
    ("expect: {by: every business day 06:00, calendar: none}",
     [(f"{E}.by", "a schedule needs a calendar: name the one whose business days and time of day are meant")]),
    ("expect: {by: next_business_day 06:00, calendar: bank}",
     [(f"{E}.by", f"'next_business_day 06:00' is no schedule; write it like one of: {'; '.join(RECURRING_SPELLINGS)}")]),
    ("expect: {by: end of month + 0 business days, calendar: bank}",
     [(f"{E}.by", "'end of month + 0 business days': the business days must be 1 to 250")]),
    ("expect: {by: every business day 26:00, calendar: bank}",
     [(f"{E}.by", "'26:00' is not a time of day; write it like 08:00, 17:30 or 24:00")]),
    ("expect: [{every: 15m}, {every: 16m}]",
     [(f"{E}[1]", "something is expected of the source already; of one of its event types, name the 'type'")]),
    ("expect: [{type: a, every: 15m}, {type: a, every: 16m}]",
     [(f"{E}[1]", "something is expected of 'a' already")]),
    ("expect: {type: [a], every: 15m}", [(f"{E}.type", "must be text, not a list")]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "faults"), FAULTS)
def test_every_fault_is_named_with_its_place(spec: str, faults: list[tuple[str, str]]) -> None:
    with pytest.raises(DefinitionError) as error:
        load({"a.yaml": CALENDAR + SOURCE.format(spec)})
    assert [(fault.path, fault.message) for fault in error.value.faults] == faults


def test_a_type_is_heard_with_its_source_and_not_by_other_types() -> None:
    mark = unheard(Source("sap", expects=Expectation(HOUR), types={"file": Expectation(DAY)}), 0)
    assert resumes(mark, None, 0, 0)
    heard(mark, None, MINUTE, MINUTE)
    assert (mark.heard, mark.types["file"].heard, mark.due, mark.types["file"].due) == (True, False, 61 * MINUTE, DAY)
    assert not resumes(mark, None, 2 * MINUTE, MINUTE)
    assert resumes(mark, "file", 2 * MINUTE, MINUTE)
    heard(mark, "file", 3 * MINUTE, MINUTE)
    heard(mark, "file", 2 * MINUTE, MINUTE)
    assert (mark.types["file"].last_received_at, mark.types["file"].last_occurred_at) == (3 * MINUTE, MINUTE)
    assert not resumes(mark, "file", 4 * MINUTE, 4 * MINUTE)
    heard(mark, None, DAY + 2 * MINUTE, DAY + 2 * MINUTE)
    assert not resumes(mark, "file", DAY + 3 * MINUTE - 1, DAY)
    assert resumes(mark, "file", DAY + 3 * MINUTE, DAY)


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 100), st.integers(0, 100)), max_size=8
)


@given(ARRIVALS)
def test_the_last_arrivals_give_the_watermarks_that_hearing_all_of_them_gives(
    arrivals: list[tuple[str, str, int, int]],
) -> None:
    """Of source `a` something is expected and so of its type `x`; of `b` only of its type `y`; of `c` nothing."""
    hourly = Expectation(HOUR)
    sources = [Source("a", expects=hourly, types={"x": hourly}), Source("b", types={"y": hourly})]
    known = expected(sources, 7)
    last: dict[str, tuple[int, int]] = {}
    last_of_types: dict[tuple[str, str], tuple[int, int]] = {}
    for source, type_, received_at, occurred_at in arrivals:
        known[source] = heard(known.get(source), type_, received_at, occurred_at)
        seen = received_at, min(received_at, occurred_at)
        last[source] = tuple(map(max, last.get(source, seen), seen))  # type: ignore[assignment]
        place = source, type_
        last_of_types[place] = tuple(map(max, last_of_types.get(place, seen), seen))  # type: ignore[assignment]
    rows = [(source, *times) for source, times in last.items()]
    rows_of_types = [(*place, *times) for place, times in last_of_types.items()]
    assert watermarks_of(sources, 7, rows, rows_of_types) == known
    assert watermarks_of([], None, [], rows_of_types) == {}


def test_what_may_have_come_unseen_is_told_from_what_can_be_seen() -> None:
    workflow = load({"a.yaml": UNSEEN}).workflows["order"]
    now = 9 * HOUR

    def is_hidden(mark: Watermark | None) -> bool:
        return is_unseen("accepted", workflow, {} if mark is None else {"sap": mark}, now)

    hourly = Expectation(HOUR)
    assert not is_hidden(None)
    assert not is_hidden(Watermark(now - 1, now - 1, hourly))
    # Silent, or its type; that another type is does not matter.
    assert is_hidden(Watermark(now - HOUR, now - HOUR, hourly))
    assert is_hidden(Watermark(now, now, hourly, types={"order.accepted": Watermark(0, 0, hourly)}))
    assert not is_hidden(Watermark(now, now, hourly, types={"stock": Watermark(0, 0, hourly)}))
    # It sends its past.
    assert is_hidden(Watermark(now, now - DAY, None))
    assert not is_unseen("unheard of", workflow, {"sap": Watermark(0, 0, hourly)}, now)


UNSEEN = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order, domain: orders, owner: orders}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: order.won}}, starts: true}
    - {name: accepted, on: {exact: {source: sap, type: order.accepted}}, within: 4h, completes: true}
"""
