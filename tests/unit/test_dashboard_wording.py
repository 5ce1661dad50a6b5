from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collector.log import LetterReason
from dashboard import wording

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(144_000, "40 h"), (3_600_000, "1,000 h"), (5_400, "1 h 30 min"), (900, "15 min"), (0, "0 ms")],
)
def test_business_time_has_no_days(seconds: float, said: str) -> None:
    assert wording.open_time(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 ms"),
        (0.0042, "4.2 ms"),
        (0.29, "290 ms"),
        (1, "1 s"),
        (1.25, "1.2 s"),
        (45, "45 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86_400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        (-90, "1 min 30 s"),
    ],
)
def test_a_duration_tells_its_two_largest_units(seconds: float, told: str) -> None:
    assert wording.duration(seconds) == told


def test_an_age_of_minutes_comes_without_seconds() -> None:
    assert wording.rough(5 * 60 + 24) == "5 min"
    assert wording.rough(59.9) == "59 s"
    assert wording.rough(2 * 3600 + 5 * 60) == "2 h 5 min"
    assert wording.rough(21 * 3600 + 57 * 60) == "21 h"
    assert wording.rough(3 * 86_400 + 4 * 3600) == "3 d 4 h"
    assert wording.rough(11 * 86_400 + 4 * 3600) == "11 d"
    assert wording.rough(0.4) == "0 s"


@pytest.mark.parametrize(
    ("gap", "told"),
    [(-3, "just now"), (3, "just now"), (-7200, "2 h ago"), (720, "in 12 min")],
)
def test_a_moment_is_told_from_now(gap: int, told: str) -> None:
    assert wording.relative(NOW + timedelta(seconds=gap), NOW) == told


def test_times_are_read_and_told_in_utc() -> None:
    assert wording.instant("2026-11-21T14:05:09+02:00") == "21 Nov 2026 12:05:09 UTC"
    assert wording.short_instant("2026-11-01T04:05:09Z") == "1 Nov 04:05"
    assert wording.instant(None) == wording.DASH


def test_different_currencies_are_never_added() -> None:
    amounts = [{"currency": "EUR", "amount": 1200.0}, {"currency": "USD", "amount": 48_250.0}]
    assert wording.money(amounts) == "$48,250 + €1,200"
    assert wording.money([{"currency": "CHF", "amount": 12.5}]) == "CHF 12.50"
    assert wording.money([]) == wording.DASH
    assert wording.money(None) == wording.DASH
    assert wording.total_money([amounts, amounts]) == [
        {"currency": "USD", "amount": 96_500.0},
        {"currency": "EUR", "amount": 2_400.0},
    ]


@pytest.mark.parametrize(
    ("amount", "told"),
    [(950, "$950"), (48_250, "$48k"), (999_600, "$1M"), (1_240_000, "$1.24M"), (-20_000, "−$20k")],
)
def test_compact_money(amount: float, told: str) -> None:
    assert wording.one_money(amount, "USD", compact=True) == told


def test_a_ratio_below_one_never_reads_as_all() -> None:
    assert wording.percent(0.99999) == "99%"
    assert wording.percent(0.999949, 2) == "99.99%"
    assert wording.percent(1.0) == "100%"
    assert wording.percent(-0.15) == "−15%"
    assert wording.percent(None) == wording.DASH


def test_a_target_keeps_its_digits() -> None:
    assert wording.target(0.99) == "99%"
    assert wording.target(0.9995) == "99.95%"


def test_the_budget_is_told_in_items() -> None:
    objective = {"budget_allowed": 50.12, "budget_used": 31, "unit": "items"}
    assert wording.budget_words(objective) == "31 of 50 allowed misses used"
    assert wording.budget_words({"budget_allowed": 8.84, "budget_used": 2, "unit": "slices"}) == (
        "2 of 8.8 allowed slices used"
    )


def test_every_verdict_has_a_label() -> None:
    verdicts = "on_track due_soon stuck blind failed inconsistent paused completed completed_late cancelled waived"
    assert set(verdicts.split()) == set(wording.VERDICT_LABELS)


def test_every_reason_of_a_dead_letter_has_a_label() -> None:
    assert set(LetterReason) == set(wording.LETTER_LABELS)
    assert len(set(wording.LETTER_LABELS.values())) == len(LetterReason)
    assert wording.letter_label("of_another_version") == "Of another version"


def test_a_budget_spent_many_times_over_says_how_many_times() -> None:
    assert wording.budget_left(0.62) == "62%"
    assert wording.budget_left(-0.27) == "−27%"
    assert wording.budget_left(-47.8) == "49× spent"
    assert wording.budget_left(None) == "–"


@pytest.mark.parametrize(
    ("period", "zone", "since", "said"),
    [
        ("day", "Europe/Berlin", "2026-11-20T23:00:00Z", "21 Nov 2026"),
        ("week", "UTC", "2026-12-28T00:00:00Z", "Week 53 of 2026"),
        ("month", "America/New_York", "2026-11-01T04:00:00Z", "November 2026"),
        ("quarter", "Asia/Tokyo", "2026-09-30T15:00:00Z", "Q4 2026"),
        ("year", "UTC", "2026-01-01T00:00:00Z", "2026"),
    ],
)
def test_a_period_has_a_name(period: str, zone: str, since: str, said: str) -> None:
    assert wording.period_name(period, zone, since) == said


def test_the_pace_of_a_budget_in_words() -> None:
    now = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
    rolling, month = {"until": None}, {"until": "2026-12-01T00:00:00Z"}

    def words(gone_at: str | None, window: dict[str, str | None], left: float = 0.5) -> str:
        told = {"window": window, "budget_left_ratio": left, "pace": {"allowed": 10.0, "gone_at": gone_at}}
        return wording.pace_words(told, now)

    assert words("2026-11-26T10:00:00Z", month) == ", 9 d 10 h left; at this pace gone on Thursday 26 Nov"
    assert words(None, month) == ", 9 d 10 h left; at this pace it lasts"
    assert words(None, rolling) == ""
    assert words("2026-11-21T19:30:00Z", rolling) == "; at this pace gone at 19:30 UTC"
    assert words("2028-02-21T19:30:00Z", rolling) == "; at this pace gone in February 2028"
    # What is overspent is gone.
    assert words("2026-11-21T19:30:00Z", month, -0.1) == ", 9 d 10 h left"
    assert wording.pace_words({"window": month, "budget_left_ratio": None, "pace": None}, now) == ", 9 d 10 h left"


def test_what_burns_and_what_is_not_known_in_words() -> None:
    slow = {"severity": "ticket", "long_seconds": 86_400, "bad": 1, "rate": 3.25}
    fast = {"severity": "page", "long_seconds": 3_600, "bad": 1_400, "rate": 36.2}
    assert wording.burning_words({"unit": "items", "burning": [slow, fast]}) == (
        "Burning: 1,400 misses within 1 h, 36 times as fast as the budget lasts (page)"
    )
    assert wording.burning_words({"unit": "slices", "burning": [slow]}) == (
        "Burning: 1 slice within 1 d, 3.2 times as fast as the budget lasts (ticket)"
    )
    for policy in ("good", "bad", "exclude", "alert"):
        told = {"missing_source": "sap", "missing_since": "2026-11-21T10:42:00Z", "missing_data": policy}
        assert wording.missing_words(told).startswith("sap has been silent since 21 Nov 10:42 UTC; ")


def test_what_came_while_the_database_was_away_is_told_while_it_is_written_and_afterwards() -> None:
    assert wording.late_words([]) == []
    waits = {"receiver": "a", "since": "2026-11-21T12:00:00Z", "until": None, "count": None, "settled_at": None}
    (said,) = wording.late_words([waits, waits | {"since": "2026-11-21T11:59:00Z"}])
    assert said.startswith("The database was away. What arrived since 21 Nov 11:59 UTC is being written")
    written = waits | {"until": "2026-11-21T12:10:00Z", "count": 1200, "settled_at": "2026-11-21T12:10:30Z"}
    (said,) = wording.late_words([written, written | {"count": 34}])
    assert said.startswith(
        "The database was away between 21 Nov 12:00 and 21 Nov 12:10 UTC: 1,234 events that arrived meanwhile were late"
    )
    assert len(wording.late_words([waits, written])) == 2


def test_a_replica_is_spoken_of_only_while_it_is_behind() -> None:
    said = {"used": True, "reason": None, "as_of": "2026-11-21T12:00:00Z", "lag_seconds": 61.0}
    assert wording.behind_words(said) == (
        "What you see is as of 21 Nov 2026 12:00:00 UTC, 1 min ago: the replica that is read is behind. "
        "Nothing is lost, and this page follows as it catches up."
    )
    away = {"used": False, "reason": "it is away", "as_of": None, "lag_seconds": None}
    for quiet in (None, away, said | {"lag_seconds": 4.9}):
        assert wording.behind_words(quiet) is None
