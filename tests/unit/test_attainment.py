"""What an objective comes to in a time."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.attainment import attainment
from slo_rules.buckets import BUCKET
from slo_rules.contribution import Counts
from slo_rules.durations import DAY, HOUR
from slo_rules.exclusions import Exclusion
from slo_rules.objective import MissingData, Objective, Volume

START = 1_790_000_100_000_000 - 1_790_000_100_000_000 % HOUR


def objective(kind: str = "latency", target: float = 0.9, exclude: tuple[Exclusion, ...] = ()) -> Objective:
    return Objective("paid", "Paid", "", "orders", kind, "received", "paid", HOUR, target, 30 * DAY, exclude=exclude)


def items(good: int, bad: int, waived: int = 0, cancelled: int = 0) -> Counts:
    return good, bad, waived, cancelled, 0


def test_only_the_buckets_of_the_time_count_and_alerts_look_back() -> None:
    buckets = {START - BUCKET: items(0, 50), START: items(3, 1, 2, 4), START + HOUR: items(9, 9)}
    found = attainment(objective(), buckets, START + 1, START + HOUR + 1)
    assert (found.budget.good, found.budget.bad, found.met) == (3, 1, False)
    assert (found.reckoned.waived, found.reckoned.cancelled) == (2, 4)
    assert [(one.severity, one.since) for one in found.alerts] == [("page", START), ("ticket", START)]


def test_where_nothing_is_to_be_judged_nothing_is_said() -> None:
    assert attainment(objective(), {}, START, START + DAY).met is None
    assert attainment(objective("freshness"), {}, START, START + DAY).met is None


def test_what_is_excluded_neither_counts_nor_alerts() -> None:
    gone = Exclusion("freeze", START, HOUR)
    buckets = {START + BUCKET: items(0, 50), START + HOUR: items(9, 1)}
    found = attainment(objective(exclude=(gone,)), buckets, START, START + 2 * HOUR)
    assert (found.budget.good, found.budget.bad, found.reckoned.excluded) == (9, 1, 50)
    assert found.alerts == []
    assert attainment(objective(), buckets, START, START + 2 * HOUR).alerts


def test_what_nobody_can_know_counts_as_the_objective_says() -> None:
    buckets = {START: items(1, 0), START + HOUR: items(0, 7)}
    kinder = msgspec.structs.replace(objective(), missing_data=MissingData.EXCLUDE)
    found = attainment(kinder, buckets, START, START + 2 * HOUR, START + HOUR)
    assert (found.budget.bad, found.reckoned.missing) == (0, 7)
    assert attainment(objective(), buckets, START, START + 2 * HOUR, START + HOUR).budget.bad == 7


def test_slices_of_freshness_count_since_there_is_anything_to_judge() -> None:
    steps = {START - BUCKET: items(1, 0), START: (0, 1, 0, 0, 1), START + 2 * BUCKET: (0, 0, 0, 0, -1)}
    found = attainment(objective("freshness"), steps, START - HOUR, START + 3 * BUCKET)
    assert (found.budget.good, found.budget.bad) == (2, 2)
    assert [one.since for one in found.alerts] == [START + 2 * BUCKET] * 2


def test_slices_of_volume_are_as_long_as_the_objective_says() -> None:
    one = msgspec.structs.replace(objective("volume", 0.9), volume=Volume(HOUR, at_least=2))
    found = attainment(one, {START: items(1, 0), START + HOUR: items(3, 0)}, START, START + 5 * HOUR)
    assert (found.budget.good, found.budget.bad) == (1, 4)
    assert [(alert.severity, alert.since) for alert in found.alerts] == [("ticket", START + 3 * HOUR)]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=6), st.integers(0, 25), st.integers(0, 30))
def test_what_was_stale_is_found_slice_by_slice(spans: list[tuple[int, int]], first: int, lasting: int) -> None:
    steps: dict[int, Counts] = {START - DAY: items(1, 0)}
    for begins, slices in spans:
        for place, step in ((begins, 1), (begins + slices, -1)):
            at = START + place * BUCKET
            steps[at] = (0, 0, 0, 0, steps.get(at, items(0, 0))[4] + step)
    found = attainment(objective("freshness"), steps, START + first * BUCKET, START + (first + lasting) * BUCKET)
    stale = [
        number
        for number in range(first, first + lasting)
        if any(begins <= number < begins + slices for begins, slices in spans)
    ]
    assert (found.budget.good, found.budget.bad) == (lasting - len(stale), len(stale))
