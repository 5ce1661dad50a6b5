"""How often a source speaks: learned from its arrivals, judged by what is declared, suggested, and told."""

from __future__ import annotations

import random
from datetime import date, datetime
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.cadence_views import as_json, as_text
from slo_rules.cadence import LEAST_ARRIVALS, LEAST_SPAN, Judgement, Pauses, SourceCadence, Suggestion, cadence_of
from slo_rules.calendars import CalendarRules, Hours, SpecialDate
from slo_rules.deadline_rules import parse_recurring_rule
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.expectation import Expectation
from slo_rules.instants import to_micros
from slo_rules.workflow import Source

BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS = (Hours(540, 1020),)
OFFICE = CalendarRules("office", "Europe/Berlin", (WEEKDAYS,) * 5 + ((), ()))
LUNCH = CalendarRules("lunch", "Europe/Berlin", ((Hours(720, 780),),) * 5 + ((), ()))
NIGHTS = CalendarRules("nights", "Europe/Berlin", ((Hours(1320, 1800),),) * 7)
MONDAY = to_micros(datetime(2026, 3, 2, tzinfo=BERLIN))
WAITED = ("orders/accepted",)

instants = st.lists(
    st.integers(1, 20 * HOUR // MINUTE) | st.integers(1, 30), max_size=120
).map(lambda pauses: [MONDAY + minutes * MINUTE for minutes in accumulate(pauses, initial=0)])  # fmt: skip


def learned(
    arrivals: list[int],
    expects: Expectation | None = None,
    *calendars: CalendarRules,
    awaited: tuple[str, ...] = WAITED,
    types: dict[str, Expectation] | None = None,
) -> SourceCadence:
    return cadence_of(Source("sap", expects=expects, types=types or {}), arrivals, awaited, calendars)


def every(minutes: int, days: int = 2) -> list[int]:
    return list(range(MONDAY, MONDAY + days * DAY + 1, minutes * MINUTE))


def office_hours(weeks: int = 2, step: int = 7 * MINUTE) -> list[int]:
    """While the office is open, and on the dot of neither opening nor closing."""
    days = [MONDAY + (7 * week + day) * DAY for week in range(weeks) for day in range(5)]
    return [at for day in days for at in range(day + 9 * HOUR + 3 * MINUTE, day + 17 * HOUR, step)]


# Laws


@given(instants, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything(arrivals: list[int], chance: random.Random) -> None:
    mixed = [*arrivals, *chance.sample(arrivals, len(arrivals) // 2)]
    chance.shuffle(mixed)
    assert learned(mixed, None, OFFICE, NIGHTS) == learned(arrivals, None, NIGHTS, OFFICE)


@given(instants, st.integers(2, 9))
def test_pauses_so_many_times_as_long_are_learned_as_such(arrivals: list[int], times: int) -> None:
    once, slower = learned(arrivals).pauses, learned([MONDAY + times * (at - MONDAY) for at in arrivals]).pauses
    assert (once is None) == (len(arrivals) == 1) == (slower is None)
    if once and slower:
        assert slower == Pauses(
            times * once.median, times * once.p99, times * once.longest, MONDAY + times * (once.longest_at - MONDAY)
        )


@given(instants, st.sampled_from([None, Expectation(5 * MINUTE), Expectation(300 * DAY), Expectation(HOUR, OFFICE)]))
def test_of_too_little_nothing_is_said_and_otherwise_something(
    arrivals: list[int], expects: Expectation | None
) -> None:
    found = learned(arrivals, expects, OFFICE)
    enough = found.arrivals >= LEAST_ARRIVALS and found.last_at - found.first_at >= LEAST_SPAN
    assert (found.judgement is Judgement.TOO_LITTLE) == (not enough)
    if not enough:
        assert (found.silences, found.suggestion, found.line) == (0, None, "")
    elif expects is None:
        assert found.suggestion is not None


@given(instants, st.sampled_from([None, Expectation(MINUTE), Expectation(HOUR, OFFICE), Expectation(300 * DAY)]))
def test_what_is_suggested_fits_and_calls_no_pause_seen_a_silence(
    arrivals: list[int], expects: Expectation | None
) -> None:
    suggestion = learned(arrivals, expects, OFFICE, NIGHTS).suggestion
    if suggestion is not None:
        then = learned(arrivals, Expectation(suggestion.every, suggestion.calendar), OFFICE, NIGHTS)
        assert then.silences == 0
        assert then.judgement in (Judgement.FITS, Judgement.NOTICED_LATE)


@given(instants, st.sampled_from([5 * MINUTE, HOUR, 12 * HOUR]), st.sampled_from([None, OFFICE, NIGHTS]))
def test_silences_are_those_that_the_expectation_itself_would_have_told(
    arrivals: list[int], length: int, calendar: CalendarRules | None
) -> None:
    expects = Expectation(length, calendar)
    found = learned(arrivals, expects)
    if found.judgement is not Judgement.TOO_LITTLE:
        dues = [(expects.due(start), end) for start, end in pairwise(arrivals)]
        assert found.silences == sum(due is not None and due <= end for due, end in dues)
        assert (found.judgement is Judgement.CALLED_SILENT) == (found.silences > 0)


# By example


def test_a_steady_source_is_suggested_its_longest_pause_and_half_as_much_again() -> None:
    arrivals = [*every(4), MONDAY + 2 * DAY + 9 * MINUTE]
    found = learned(arrivals, None, OFFICE)
    assert found.pauses == Pauses(4 * MINUTE, 4 * MINUTE, 9 * MINUTE, MONDAY + 2 * DAY)
    assert (found.judgement, found.line) == (Judgement.UNDECLARED, "silent_after: 15m")


@pytest.mark.parametrize(
    ("arrivals", "judgement"),
    [
        (every(30, 1), Judgement.TOO_LITTLE),  # 49 in a day
        ([*every(30, 1), MONDAY + MINUTE], Judgement.UNDECLARED),
        (every(1, 1)[:-1], Judgement.TOO_LITTLE),  # a minute less than a day
        ([MONDAY] * 100 + [MONDAY + 3 * DAY] * 100, Judgement.TOO_LITTLE),  # two imports
        ([MONDAY + n for n in range(10_000)], Judgement.TOO_LITTLE),  # one of many batches
    ],
)
def test_it_takes_fifty_arrivals_within_a_day(arrivals: list[int], judgement: Judgement) -> None:
    assert learned(arrivals).judgement is judgement


def test_what_comes_within_a_second_is_one_arrival() -> None:
    batches = [at + number * SECOND // 100 for at in every(4) for number in range(50)]
    found = learned(batches)
    pause = 4 * MINUTE - 49 * SECOND // 100
    assert (found.arrivals, found.pauses) == (721, Pauses(pause, pause, pause, MONDAY + 49 * SECOND // 100))
    assert found.last_at == max(batches)


def test_a_source_that_never_pauses_arrives_every_second() -> None:
    found = learned([MONDAY + number * SECOND // 10 for number in range(601)])
    assert (found.arrivals, found.pauses) == (
        61,
        Pauses(SECOND // 10, SECOND // 10, SECOND // 10, MONDAY + 9 * SECOND // 10),
    )


def test_of_a_source_that_nothing_waits_for_nothing_need_be_declared() -> None:
    assert learned(every(4), awaited=()).judgement is Judgement.NOT_AWAITED


def test_a_source_that_rests_overnight_is_counted_on_the_hours_it_keeps() -> None:
    found = learned(office_hours(), None, NIGHTS, LUNCH, OFFICE)
    # The hour of lunch would do as well, and says less.
    assert found.suggestion == Suggestion(15 * MINUTE, OFFICE)
    assert found.line == "expect: {every: 15m, calendar: office}"
    assert learned(office_hours(), None, NIGHTS).line == "silent_after: 5d"


def test_a_source_that_speaks_seldom_in_office_hours_rests_overnight_as_well() -> None:
    """More than one pause in a hundred is that of a night."""
    found = learned(office_hours(step=90 * MINUTE), None, OFFICE)
    assert found.pauses is not None
    assert found.pauses.p99 == found.pauses.longest > 2 * DAY
    assert found.line == "expect: {every: 3h, calendar: office}"


def test_on_a_calendar_without_weekly_hours_nothing_is_suggested() -> None:
    days = [date(2026, 3, day) for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13)]
    dated = CalendarRules(
        "dated", "Europe/Berlin", ((),) * 7, special=tuple(SpecialDate(day, WEEKDAYS) for day in days)
    )
    assert learned(office_hours(), None, dated).line == "silent_after: 5d"


def test_the_calendar_with_the_shortest_cadence_is_used() -> None:
    late = CalendarRules("late", "Europe/Berlin", ((Hours(540, 1200),),) * 5 + ((), ()))
    assert learned(office_hours(), None, late, OFFICE).suggestion == Suggestion(15 * MINUTE, OFFICE)


def test_outages_at_night_make_no_office_hours() -> None:
    lost = [MONDAY + day * DAY + 2 * HOUR for day in (1, 3, 6)]
    arrivals = [at for at in every(5, 10) if not any(start < at < start + 3 * HOUR for start in lost)]
    assert learned(arrivals, None, OFFICE).line == "silent_after: 6h"


def test_one_night_makes_no_habit() -> None:
    arrivals = [at for at in office_hours(1, MINUTE) if at < MONDAY + DAY + 9 * HOUR + 30 * MINUTE]
    assert learned(arrivals, None, OFFICE).line == "silent_after: 2d"


def test_few_arrivals_while_a_calendar_is_open_say_nothing_of_it() -> None:
    weeks = [MONDAY + 7 * DAY * week for week in range(3)]
    nightly = [
        start + day * DAY + 22 * HOUR + minute * MINUTE for start in weeks for day in range(7) for minute in range(60)
    ]
    never_then = CalendarRules("early", "Europe/Berlin", ((Hours(240, 250),),) * 7)
    assert learned(nightly, None, never_then).line == "silent_after: 2d"


@pytest.mark.parametrize(
    ("expects", "judgement", "silences", "line"),
    [
        (Expectation(15 * MINUTE), Judgement.FITS, 0, ""),
        (Expectation(40 * MINUTE), Judgement.FITS, 0, ""),
        (Expectation(41 * MINUTE), Judgement.NOTICED_LATE, 0, "silent_after: 10m"),
        (Expectation(4 * MINUTE), Judgement.CALLED_SILENT, 720, "silent_after: 10m"),
        (Expectation(241 * SECOND), Judgement.FITS, 0, ""),
        (Expectation(4 * MINUTE, OFFICE), Judgement.CALLED_SILENT, 240, "silent_after: 10m"),
        (Expectation(HOUR, OFFICE), Judgement.NOTICED_LATE, 0, "silent_after: 10m"),
        (Expectation(parse_recurring_rule("every business day 06:00"), OFFICE), Judgement.FITS, 0, ""),
    ],
)
def test_what_is_declared_is_held_against_what_was_seen(
    expects: Expectation, judgement: Judgement, silences: int, line: str
) -> None:
    found = learned(every(4), expects, OFFICE, awaited=())
    assert (found.judgement, found.silences, found.line) == (judgement, silences, line)
    assert found.declared == expects.words


def test_a_moment_that_was_missed_is_counted_and_not_talked_away() -> None:
    by_six = Expectation(parse_recurring_rule("every business day 06:00"), OFFICE, HOUR)
    days = [MONDAY + day * DAY + 5 * HOUR + 30 * MINUTE for day in (0, 1, 2, 3, 4, 7, 8, 9)]
    arrivals = [day + (2 * HOUR if day == days[5] else 0) + n * MINUTE for day in days for n in range(10)]
    found = learned(arrivals, by_six, OFFICE)
    assert (found.judgement, found.silences, found.line) == (Judgement.CALLED_SILENT, 1, "")


def test_a_minute_is_never_suggested_for_less() -> None:
    arrivals = [MONDAY + n * SECOND for n in range(DAY // SECOND + 1)]
    assert learned(arrivals, Expectation(30 * SECOND)).judgement is Judgement.FITS


@pytest.mark.parametrize(("arrivals", "calendars"), [(every(4), ()), (office_hours(), (OFFICE,))])
@pytest.mark.parametrize("beside", [False, True])
def test_the_line_can_be_pasted(arrivals: list[int], calendars: tuple[CalendarRules, ...], beside: bool) -> None:
    types = {"settled": Expectation(DAY)} if beside else {}
    found = learned(arrivals, None, *calendars, types=types)
    spec = f"  expect:\n    - {{type: settled, every: 1d}}\n    {found.line}" if beside else f"  {found.line}"
    source = f"apiVersion: milepost/v1\nkind: Source\nmetadata: {{name: sap}}\nspec:\n{spec}\n"
    office = (
        "---\napiVersion: milepost/v1\nkind: Calendar\nmetadata: {name: office}\n"
        'spec: {zone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}\n'
    )
    expects = load({"a.yaml": source + office}).sources["sap"].expects
    assert expects is not None
    assert found.suggestion is not None
    assert expects.length == found.suggestion.every
    assert (expects.calendar and expects.calendar.name) == (calendars[0].name if calendars else None)


# In words


TOLD = r"""How often sources speak, by the arrival of their events:

  source    arrivals   over  median    p99  longest  began                 declared
  bank           690  11d7h      7m  16h4m    2d16h  2026-03-06 15:59 UTC
  crm            721     2d      4m     4m       4m  2026-03-01 23:00 UTC  at least every 4m
  erp            721     2d      4m     4m       4m  2026-03-01 23:00 UTC  at least every 1d
  sap            721     2d      4m     4m       4m  2026-03-01 23:00 UTC
  wms              1
  a\x1b[2J       721     2d      4m     4m       4m  2026-03-01 23:00 UTC

  bank: nothing is declared of all that it sends, and orders/accepted waits for it. Suggested:
    expect: {every: 15m, calendar: office}
  crm: by what is declared it would have been called silent 720 times. Unless that was a fault, suggested:
    silent_after: 10m
  erp: declared is more than 10 times the longest pause: a silence is noticed late. Suggested:
    silent_after: 10m
  sap: nothing is declared of all that it sends, and orders/accepted waits for it. Suggested:
    silent_after: 10m
  Too little to learn from: wms. It takes 50 arrivals over 1d or longer; a larger --limit looks further back."""


def test_it_is_told_in_words() -> None:
    told = as_text(
        (
            learned(every(4)),
            msgspec.structs.replace(learned(office_hours(), None, OFFICE), source="bank"),
            msgspec.structs.replace(learned(every(4), Expectation(4 * MINUTE)), source="crm"),
            msgspec.structs.replace(learned(every(4), Expectation(DAY)), source="erp"),
            msgspec.structs.replace(learned(every(4), awaited=()), source="a\x1b[2J"),
            msgspec.structs.replace(learned([MONDAY], awaited=(*WAITED, "orders/paid")), source="wms"),
        ),
        limited=True,
    )
    assert "\n".join(told) == TOLD


def test_of_many_sources_the_awaited_come_first() -> None:
    idle = [msgspec.structs.replace(learned([MONDAY], awaited=()), source=f"a{n:02}") for n in range(40)]
    told = as_text((*idle, learned([MONDAY])), limited=False)
    assert told[3].split() == ["sap", "1"]
    assert "  and 11 more sources; --format json has them all." in told
    assert told[-1] == "  Too little to learn from: sap. It takes 50 arrivals over 1d or longer."


def test_programs_get_figures() -> None:
    assert as_json(learned(office_hours(), Expectation(5 * MINUTE, OFFICE), OFFICE)) == {
        "source": "sap",
        "arrivals": 690,
        "first_at": "2026-03-02T08:03:00Z",
        "last_at": "2026-03-13T15:59:00Z",
        "pauses": {
            "median_seconds": 420.0,
            "p99_seconds": 57840.0,
            "longest_seconds": 230640.0,
            "longest_at": "2026-03-06T15:59:00Z",
        },
        "declared": "at least every 5m of the time of office",
        "awaited_by": ["orders/accepted"],
        "judgement": "called_silent",
        "silences": 680,
        "suggestion": {"every": "15m", "calendar": "office", "line": "expect: {every: 15m, calendar: office}"},
    }
    assert as_json(learned([MONDAY], awaited=()))["pauses"] is None
