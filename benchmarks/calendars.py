"""`python -m benchmarks.calendars`: microseconds for one question to a business calendar. Needs no database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from slo_rules.calendars import Calendar, CalendarRules, ClosedDate, Hours, SpecialDate
from slo_rules.deadline_rules import parse_deadline_rule
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_micros
from slo_rules.public_holidays import HolidayRules

QUESTIONS = 50_000
ROUNDS = 3
START = to_micros(datetime(2025, 1, 1, tzinfo=UTC))
SPAN = 3 * 365 * DAY
WORKDAY = 8 * HOUR + 30 * 60 * 1_000_000

LONG = (Hours(8 * 60, 12 * 60), Hours(13 * 60, 17 * 60 + 30))
RULES = CalendarRules(
    name="emea-office",
    zone="Europe/Berlin",
    week=(LONG, LONG, LONG, LONG, (Hours(8 * 60, 15 * 60),), (), ()),
    holidays=HolidayRules("DE", "BY"),
    closed=(ClosedDate(date(2026, 12, 24)), ClosedDate(date(2026, 8, 3), "Company outing")),
    special=(SpecialDate(date(2026, 12, 31), (Hours(8 * 60, 12 * 60),)),),
)


def main() -> None:
    """Ask at random instants of three years, and print the best of some rounds, beside an empty call."""
    chance = random.Random(1)
    instants = [START + chance.randrange(SPAN) for _ in range(QUESTIONS)]
    later = [START + chance.randrange(SPAN) for _ in range(QUESTIONS)]
    decades = [at + 30 * 365 * DAY for at in later]
    durations = [chance.randrange(10 * WORKDAY) for _ in range(QUESTIONS)]
    years = [chance.randrange(3 * 250 * WORKDAY) for _ in range(QUESTIONS)]
    calendar = Calendar(RULES)
    rule = parse_deadline_rule("end of month - 2 business days 16:00")

    started = time.perf_counter()
    calendar.between(START, START + SPAN)
    print(f"{'preparing three years, with holidays':<44}{(time.perf_counter() - started) * 1000:8.1f} ms")
    calendar.between(START, START + 33 * 365 * DAY)

    show("an empty call", lambda _a, _b: None, instants, later)
    show("add, up to ten business days", calendar.add, instants, durations)
    show("add, up to three years", calendar.add, instants, years)
    show("between, instants of three years", calendar.between, instants, later)
    show("between, thirty years apart", calendar.between, instants, decades)
    show("is_open", lambda at, _: calendar.is_open(at), instants, later)
    show("by, end of month - 2 business days", lambda at, _: calendar.by(rule, at), instants, later)


def show(name: str, ask: Callable[[int, int], object], first: list[int], second: list[int]) -> None:
    """One line: microseconds per call."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for a, b in zip(first, second, strict=True):
            ask(a, b)
        best = min(best, time.perf_counter() - started)
    print(f"{name:<44}{best / len(first) * 1e6:8.2f} µs")


if __name__ == "__main__":
    main()
