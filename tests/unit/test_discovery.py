"""What is learned of a log is a function of the set of its events."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules import discovery as module
from slo_rules.discovery import Activity, Discovery, Edge, Graph, percentile
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.naming import key_rules
from slo_rules.rounding import roughly, round_up, spell_share
from tests.strategies import START, events, make_event

KEYS = key_rules(["data.opportunity", "data.order", "data.sales_order"])


def learn(seen: list[Event], keys: Any = KEYS) -> Discovery:
    discovery = Discovery(keys)
    for event in seen:
        discovery.observe(event)
    return discovery


def graph_of(seen: list[Event]) -> Graph:
    return learn(seen).graph()


def order(type_: str, at: int, number: int, order: str = "A", source: str = "crm") -> Event:
    return make_event(type_, at, number, source, {"order": order})


def edge(graph: Graph, before: str, after: str) -> Edge:
    return next(one for one in graph.edges if (one.before.type, one.after.type) == (before, after))


@given(events(30), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(seen: list[Event], chance: random.Random) -> None:
    again = [*seen, *chance.choices(seen, k=len(seen))] if seen else []
    chance.shuffle(again)
    once, twice = learn(seen), learn(again)
    a, b = once.graph(), twice.graph()
    assert (a.cases, a.events, a.activities, a.edges) == (b.cases, b.events, b.activities, b.edges)
    assert sorted(map(tuple, once.traces())) == sorted(map(tuple, twice.traces()))


@given(events(30), st.randoms(use_true_random=False))
def test_a_long_case_keeps_its_earliest_events_in_whatever_order_they_come(
    seen: list[Event], chance: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_STEPS", 3)
        shuffled = list(seen)
        chance.shuffle(shuffled)
        a, b = learn(seen), learn(shuffled)
        assert a.graph() == b.graph()
        kept = sorted(map(tuple, a.traces()))
    whole = sorted(tuple(trace[:3]) for trace in learn(seen).traces())
    assert kept == whole


@given(events(40))
def test_the_counts_add_up(seen: list[Event]) -> None:
    graph = graph_of(seen)
    assert sum(one.starts for one in graph.activities) == graph.cases == sum(one.ends for one in graph.activities)
    assert sum(one.events for one in graph.activities) == graph.events
    assert sum(one.timing.count for one in graph.edges) == graph.events - graph.cases
    for one in graph.activities:
        into = sum(edge.timing.count for edge in graph.edges if edge.after == one.activity)
        out = sum(edge.timing.count for edge in graph.edges if edge.before == one.activity)
        assert into + one.starts == one.events == out + one.ends
        assert 1 <= one.cases <= graph.cases
    assert all(edge.cases <= edge.timing.count for edge in graph.edges)


@given(events(40))
def test_every_event_has_a_case_or_lacks_a_key(seen: list[Event]) -> None:
    discovery = learn(seen)
    belongs = [Discovery(KEYS).observe(event) for event in seen]
    assert discovery.keyless == belongs.count(False)
    assert discovery.events == len(seen)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1000)), min_size=1, max_size=60))
def test_times_between_events_are_those_of_a_plain_computation(steps: list[tuple[int, int]]) -> None:
    seen = [order("won" if n % 2 else "paid", at, n, order=f"O{case}") for n, (case, at) in enumerate(steps)]
    taken: dict[tuple[str, str], list[int]] = {}
    for case in {case for case, _ in steps}:
        mine = sorted((at, len(f"e{n}"), f"e{n}", n) for n, (other, at) in enumerate(steps) if other == case)
        for (at, _, _, n), (later, _, _, m) in pairwise(mine):
            taken.setdefault(("won" if n % 2 else "paid", "won" if m % 2 else "paid"), []).append(later - at)
    graph = graph_of(seen)
    assert {(one.before.type, one.after.type) for one in graph.edges} == taken.keys()
    for one in graph.edges:
        times = taken[one.before.type, one.after.type]
        assert one.timing.count == len(times)
        assert one.timing.median == int(statistics.median(times))
        assert one.timing.p95 in times
        assert sum(time <= one.timing.p95 for time in times) >= 0.95 * len(times)


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_covers_so_many(values: list[int], percent: int) -> None:
    values.sort()
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_events_of_one_instant_stand_in_the_order_of_their_numbers() -> None:
    seen = [order(type_, 0, number) for number, type_ in ((10, "paid"), (9, "shipped"), (1, "won"))]
    (trace,) = learn(seen).traces()
    assert [step.activity.type for step in trace] == ["won", "shipped", "paid"]


def test_an_event_with_two_keys_joins_two_cases_whenever_it_comes() -> None:
    won = make_event("won", 0, 1, "crm", {"opportunity": "7"})
    paid = make_event("paid", 2 * HOUR, 2, "sap", {"order": "4711"})
    link = make_event("linked", HOUR, 3, "crm", {"opportunity": "7", "order": 4711})
    for seen in ([won, paid, link], [link, paid, won], [won, link, paid]):
        graph = graph_of(seen)
        assert graph.cases == 1
        assert edge(graph, "won", "linked").timing.median == HOUR
        assert edge(graph, "linked", "paid").timing.median == HOUR


def test_a_placeholder_is_no_case() -> None:
    discovery = learn([order("won", 0, 1, order="N/A"), order("won", 0, 2, order="0")])
    assert discovery.keyless == 2
    assert discovery.graph() == Graph(0, 0, 2, 0, None, None, (), ())


def test_a_case_that_is_too_long_says_so() -> None:
    seen = [order("won", number, number) for number in range(module.MAX_STEPS + 1)]
    graph = graph_of(seen)
    assert (graph.cut, graph.events) == (1, module.MAX_STEPS)
    assert graph.last_at == START + module.MAX_STEPS - 1


def test_spans_are_told_apart_by_their_names() -> None:
    seen = []
    for number, name in enumerate(("post", "activate")):
        event = order("otel.span", number * MINUTE, number, source="erp")
        event.document["name"] = name
        seen.append(event)
    assert {one.activity for one in graph_of(seen).activities} == {
        Activity("erp", "otel.span", "post"),
        Activity("erp", "otel.span", "activate"),
    }


def test_the_same_event_is_counted_once_in_its_case() -> None:
    graph = graph_of([order("won", 0, 1)] * 3)
    assert (graph.cases, graph.events) == (1, 1)
    assert Counter(one.events for one in graph.activities) == {1: 1}


@given(st.integers(0, 3650 * 24 * HOUR))
def test_a_promise_is_at_least_as_long_and_of_whole_minutes(micros: int) -> None:
    promise = round_up(micros)
    assert promise is not None
    assert promise >= max(micros, MINUTE)
    assert promise % MINUTE == 0
    assert promise <= max(2 * micros, MINUTE)


def test_nobody_promises_more_than_ten_years() -> None:
    assert round_up(3651 * 24 * HOUR) is None


def test_figures_are_spelled_as_people_say_them() -> None:
    assert [roughly(micros) for micros in (0, 250_000, 31 * 10**6, 3 * HOUR + MINUTE, 50 * HOUR)] == [
        "0s",
        "0.25s",
        "31s",
        "3h1m",
        "2d2h",
    ]
    assert [spell_share(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0%", "<1%", "50%", ">99%", "100%"]
