"""What an objective comes to in a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.budget import stale_slices
from slo_rules.burn_alerts import counts_of_slices
from slo_rules.contribution import BUCKET
from slo_rules.durations import DAY, HOUR
from slo_rules.outcome import outcome
from slo_rules.workflow import Objective

START = 1_790_000_100_000_000 - 1_790_000_100_000_000 % BUCKET


def objective(kind: str = "latency", target: float = 0.9) -> Objective:
    return Objective("paid", "Paid", "", "orders", kind, "received", "paid", HOUR, target, 30 * DAY)


def test_only_the_buckets_of_the_time_count_and_alerts_look_back() -> None:
    buckets = {START - BUCKET: (0, 50, 0), START: (3, 1, 0), START + HOUR: (9, 9, 0)}
    found = outcome(objective(), buckets, None, START + 1, START + HOUR + 1)
    assert (found.budget.good, found.budget.bad, found.met) == (3, 1, False)
    assert [(one.severity, one.since) for one in found.alerts] == [("page", START), ("ticket", START)]


def test_where_nothing_is_to_be_judged_nothing_is_said() -> None:
    assert outcome(objective(), {}, None, START, START + DAY).met is None
    assert outcome(objective("freshness"), {}, None, START, START + DAY).met is None


def test_slices_count_since_there_is_anything_to_judge() -> None:
    steps = {START: (0, 0, 1), START + 2 * BUCKET: (0, 0, -1)}
    found = outcome(objective("freshness"), steps, START - BUCKET, START - HOUR, START + 3 * BUCKET).budget
    assert (found.good, found.bad) == (2, 2)
    found = outcome(objective("freshness"), steps, START - DAY, START + BUCKET, START + 3 * BUCKET).budget
    assert (found.good, found.bad) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=6), st.integers(-3, 25), st.integers(0, 30))
def test_slices_are_counted_as_they_are_stored(spans: list[tuple[int, int]], first: int, lasting: int) -> None:
    steps: dict[int, int] = {}
    for begins, slices in spans:
        for place, step in ((begins, 1), (begins + slices, -1)):
            steps[START + place * BUCKET] = steps.get(START + place * BUCKET, 0) + step
    ordered = sorted(steps.items())
    since, until = START + first * BUCKET, START + (first + lasting) * BUCKET
    found = counts_of_slices(ordered, since, until)
    assert len(found) == lasting
    assert all(good + bad == 1 for _, good, bad in found)
    assert sum(bad for _, _, bad in found) == stale_slices(ordered, until) - stale_slices(ordered, since)
