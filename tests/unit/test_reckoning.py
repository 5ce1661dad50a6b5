"""What of an objective counts in a span of time, held against counting one by one."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.buckets import BUCKET, WIDTHS, cover
from slo_rules.budget import Staleness
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.exclusions import Exclusion
from slo_rules.expectation import Expectation
from slo_rules.judgement import Watermark
from slo_rules.objective import MissingData, Objective, Volume
from slo_rules.periods import Period
from slo_rules.reckoning import (
    Asked,
    Reckoned,
    missing,
    reckon_freshness,
    reckon_items,
    reckon_volume,
    spans_of,
    whole_slices,
)
from slo_rules.windows import CalendarWindow
from tests.strategies import definitions

MONDAY = 1_789_948_800_000_000  # 2026-09-21 00:00 UTC
LATENCY = Objective("o", "O", "", "orders", "latency", "won", "accepted", HOUR, 0.9, 30 * DAY)
NIGHT = Exclusion("night", MONDAY, HOUR, "FREQ=DAILY")


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(0, MINUTE))
def test_a_span_is_covered_once_by_few_buckets(since: int, length: int, odd: int) -> None:
    since, until = since * MINUTE // 1000 + odd, (since + length) * MINUTE // 1000
    runs = cover(since, until)
    assert len(runs) <= 5
    assert sum(run.until - run.since for run in runs) == max(0, until // BUCKET - -(-since // BUCKET)) * BUCKET
    pieces = sorted((run.since, run.until) for run in runs)
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    for run in runs:
        assert run.width in WIDTHS
        assert run.since % run.width == run.until % run.width == 0
        assert since <= run.since < run.until <= until


def test_a_month_takes_few_rows() -> None:
    runs = cover(MONDAY + 3 * HOUR + 5 * MINUTE, MONDAY + 30 * DAY + 7 * HOUR + 25 * MINUTE)
    assert sum((run.until - run.since) // run.width for run in runs) <= 29 + 2 * 23 + 2 * 11


def test_the_time_of_a_question_is_counted_excluded_or_unknown() -> None:
    one = msgspec.structs.replace(LATENCY, exclude=(NIGHT,))
    asked = Asked(one, MONDAY - DAY, MONDAY + 2 * DAY, missing_since=MONDAY + DAY + 30 * MINUTE + 1)
    spans = spans_of(asked)
    assert spans.excluded == [(MONDAY, MONDAY + HOUR), (MONDAY + DAY, MONDAY + DAY + HOUR)]
    assert spans.counted == [(MONDAY - DAY, MONDAY), (MONDAY + HOUR, MONDAY + DAY)]
    assert spans.missing == [(MONDAY + DAY + HOUR, MONDAY + 2 * DAY)]
    # What was unknown only before the question, or after it, is none of it.
    assert spans_of(asked._replace(missing_since=MONDAY - 9 * DAY)).counted == []
    assert spans_of(asked._replace(missing_since=MONDAY + 9 * DAY)).missing == []
    assert spans_of(Asked(one, MONDAY, MONDAY)) == ([], [], [])


def test_what_is_missing_counts_as_was_said() -> None:
    counts = [(10, 3, 2, 1), (5, 4, 1, 1), (1, 6, 1, 0)]
    found = {}
    for policy in MissingData:
        one = msgspec.structs.replace(LATENCY, missing_data=policy)
        found[policy] = reckon_items(Asked(one, 0, DAY), counts)
    assert found[MissingData.BAD] == Reckoned(11, 9, 3, 1, 9, 7)
    assert found[MissingData.GOOD] == Reckoned(17, 3, 3, 1, 9, 7)
    assert found[MissingData.EXCLUDE] == found[MissingData.ALERT] == Reckoned(10, 3, 3, 1, 9, 7)


def test_data_is_missing_while_the_source_of_the_end_is_silent() -> None:
    workflow = definitions().workflows["orders"]
    mark = Watermark(MONDAY, MONDAY, Expectation(15 * MINUTE))
    marks = {"sap": mark}
    assert workflow.by_name["accepted"].source == "sap"
    assert missing(LATENCY, workflow, marks, MONDAY + 15 * MINUTE - 1) is None
    assert missing(LATENCY, workflow, marks, MONDAY + 15 * MINUTE) == ("sap", MONDAY)
    assert missing(LATENCY, workflow, {}, MONDAY + DAY) is None
    assert missing(LATENCY, None, marks, MONDAY + DAY) is None
    success = msgspec.structs.replace(LATENCY, kind="success", start="", end="")
    assert missing(success, workflow, marks, MONDAY + DAY) is None


EXCLUDED = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 9)), max_size=3)


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 20)), max_size=6), st.integers(0, 60), EXCLUDED)
def test_fresh_slices_are_counted_as_one_by_one(
    stale: list[tuple[int, int]], begins: int, excluded: list[tuple[int, int]]
) -> None:
    steps: dict[int, int] = {}
    for start, length in stale:
        steps[start * BUCKET] = steps.get(start * BUCKET, 0) + 1
        steps[(start + length) * BUCKET] = steps.get((start + length) * BUCKET, 0) - 1
    gone = tuple(Exclusion("x", start * BUCKET, length * BUCKET) for start, length in excluded)
    one = msgspec.structs.replace(LATENCY, kind="freshness", exclude=gone, missing_data=MissingData.EXCLUDE)
    since, until, unknown = 10, 70, 60
    found = reckon_freshness(
        Asked(one, since * BUCKET, until * BUCKET, missing_since=unknown * BUCKET + 7),
        Staleness(sorted(steps.items())),
        begins * BUCKET,
    )
    good = bad = left_out = not_known = 0
    for number in range(max(since, begins), until):
        is_stale = any(start <= number < start + length for start, length in stale)
        if any(start <= number < start + length for start, length in excluded):
            left_out += 1
        elif number >= unknown:
            not_known += 1
        else:
            good, bad = good + (not is_stale), bad + is_stale
    assert found == Reckoned(good, bad, 0, 0, left_out, not_known)


@given(st.lists(st.integers(0, 47), max_size=60), st.integers(0, 20), EXCLUDED)
def test_slices_with_enough_are_counted_as_one_by_one(
    reached: list[int], begins: int, excluded: list[tuple[int, int]]
) -> None:
    gone = tuple(Exclusion("x", start * BUCKET, length * BUCKET) for start, length in excluded)
    per = 20 * MINUTE
    volume = Volume(per, at_least=2, at_most=5)
    one = msgspec.structs.replace(LATENCY, kind="volume", start="won", end="won", volume=volume, exclude=gone)
    counts = sorted({number: reached.count(number) for number in reached}.items())
    asked = Asked(one, 3 * BUCKET, 46 * BUCKET)
    found = reckon_volume(asked, [(number * BUCKET, count) for number, count in counts], begins * BUCKET)
    good = bad = left_out = 0
    for start in range(0, 48, 4):
        if start < max(3, begins) or start + 4 > 46:
            continue
        if any(a < start + 4 and start < a + length for a, length in excluded):
            left_out += 1
            continue
        enough = 2 <= sum(start <= number < start + 4 for number in reached) <= 5
        good, bad = good + enough, bad + (not enough)
    assert found == Reckoned(good, bad, 0, 0, left_out, 0)


def test_a_day_of_a_zone_is_a_slice_also_when_it_is_shorter() -> None:
    days = list(whole_slices(CalendarWindow(Period.DAY, "Europe/Berlin"), MONDAY, MONDAY + 40 * DAY))
    assert len(days) == 39
    assert {b - a for a, b in days} == {DAY, DAY + HOUR}
    assert all(a[1] == b[0] for a, b in pairwise(days))
    assert list(whole_slices(HOUR, MONDAY + 1, MONDAY + 3 * HOUR)) == [
        (MONDAY + HOUR, MONDAY + 2 * HOUR),
        (MONDAY + 2 * HOUR, MONDAY + 3 * HOUR),
    ]
