"""What really happens: the directly-follows graph of a log, learned from its events in whatever order they come.

An event belongs to the case that its keys name; an event with two keys joins two cases, as it would join two instances.
Within a case the events stand in the order of their times. Nothing here depends on the order of arrival or on
repetition: a case is a set of steps, and where it grows beyond MAX_STEPS it keeps its earliest ones.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from slo_rules.event import Event
from slo_rules.filters import SPAN_TYPE
from slo_rules.identity import Key, key_extractor, split_key
from slo_rules.workflow import KeyRule

MAX_STEPS = 1000
"""The events that are kept of one case, the earliest first; a case with more is marked as cut."""


class Activity(NamedTuple):
    """A kind of event: its source and type, and for a span, where every type is the same, its name."""

    source: str
    type: str
    name: str = ""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.type


class Step(NamedTuple):
    """One event of a case. The order of these tuples is the order of the case.

    Events of one instant are ordered by their ids, a shorter id first, so that numbered ids keep their order.
    """

    at: int
    length: int
    id: str
    activity: Activity


Trace = list[Step]


class Timing(msgspec.Struct, frozen=True):
    """How long something took, in micros, over `count` occurrences. A percentile is the least time that covers it."""

    count: int
    median: int
    p90: int
    p95: int


class ActivityCount(msgspec.Struct, frozen=True):
    """How often something happened: in how many cases, in how many events, and in how many it was first or last."""

    activity: Activity
    cases: int
    events: int
    starts: int
    ends: int


class Edge(msgspec.Struct, frozen=True):
    """One activity directly followed by another, in `cases` cases; `timing.count` is how often."""

    before: Activity
    after: Activity
    cases: int
    timing: Timing


class Graph(msgspec.Struct, frozen=True):
    """The directly-follows graph, activities and edges with the most cases first.

    `keyless` events carried no usable key and `cut` cases had more than MAX_STEPS events; what was cut off is not
    among `events`. `first_at` and `last_at` are None where no event has a case.
    """

    cases: int
    events: int
    keyless: int
    cut: int
    first_at: int | None
    last_at: int | None
    activities: tuple[ActivityCount, ...]
    edges: tuple[Edge, ...]


class _Case:
    __slots__ = ("cut", "keys", "steps")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.steps: Trace = []
        self.cut = False

    def add(self, steps: Iterable[Step]) -> None:
        self.steps.extend(steps)
        if len(self.steps) > 2 * MAX_STEPS:
            self.settle()

    def settle(self) -> Trace:
        """The steps in their order, each once. Which are kept is independent of when this is called."""
        self.steps = sorted(set(self.steps))
        if len(self.steps) > MAX_STEPS:
            self.cut = True
            del self.steps[MAX_STEPS:]
        return self.steps


class Discovery:
    """Learns from one event at a time. Each of the rules is a joining key."""

    def __init__(self, rules: Sequence[KeyRule]) -> None:
        self.rules = tuple(rules)
        self.events = 0
        self.keyless = 0
        self.carried: Counter[str] = Counter({rule.namespace: 0 for rule in rules})
        """In how many events each key stood."""
        self._extract = key_extractor(rules)
        self._cases: dict[Key, _Case] = {}
        self._activities: dict[Activity, Activity] = {}

    def observe(self, event: Event) -> bool:
        """Take an event in; the same event again changes nothing but the counts. Whether it belongs to a case."""
        document = event.document
        keys = self._extract(document)
        self.events += 1
        self.carried.update(split_key(key)[0] for key in keys)
        if not keys:
            self.keyless += 1
            return False
        activity = activity_of(event)
        activity = self._activities.setdefault(activity, activity)
        id_ = str(document.get("id", ""))
        self._case(keys).add((Step(event.occurred_at, len(id_), id_, activity),))
        return True

    def _case(self, keys: list[Key]) -> _Case:
        found: _Case | None = None
        for key in keys:
            case = self._cases.get(key)
            if case is None or case is found:
                continue
            found = case if found is None else self._join(found, case)
        if found is None:
            found = _Case()
        for key in keys:
            if key not in self._cases:
                self._cases[key] = found
                found.keys.append(key)
        return found

    def _join(self, a: _Case, b: _Case) -> _Case:
        into, other = (a, b) if len(a.keys) >= len(b.keys) else (b, a)
        for key in other.keys:
            self._cases[key] = into
        into.keys += other.keys
        into.cut |= other.cut
        into.add(other.steps)
        return into

    def traces(self) -> Iterator[Trace]:
        """The cases, each as its steps in their order; not to be changed."""
        return (case.settle() for case in self._distinct())

    def _distinct(self) -> Iterable[_Case]:
        return {id(case): case for case in self._cases.values()}.values()

    def graph(self) -> Graph:
        """What has been learned so far."""
        cases = events = 0
        in_cases: Counter[Activity] = Counter()
        in_events: Counter[Activity] = Counter()
        starts: Counter[Activity] = Counter()
        ends: Counter[Activity] = Counter()
        edge_cases: Counter[tuple[Activity, Activity]] = Counter()
        times: dict[tuple[Activity, Activity], list[int]] = {}
        first_at: int | None = None
        last_at: int | None = None
        for steps in self.traces():
            cases += 1
            events += len(steps)
            path = [step.activity for step in steps]
            in_events.update(path)
            in_cases.update(set(path))
            starts[path[0]] += 1
            ends[path[-1]] += 1
            edge_cases.update(set(pairwise(path)))
            for before, after in pairwise(steps):
                times.setdefault((before.activity, after.activity), []).append(after.at - before.at)
            first_at = steps[0].at if first_at is None else min(first_at, steps[0].at)
            last_at = steps[-1].at if last_at is None else max(last_at, steps[-1].at)
        activities = [ActivityCount(one, in_cases[one], in_events[one], starts[one], ends[one]) for one in in_cases]
        edges = [Edge(*pair, edge_cases[pair], timing(taken)) for pair, taken in times.items()]
        return Graph(
            cases,
            events,
            self.keyless,
            sum(case.cut for case in self._distinct()),
            first_at,
            last_at,
            tuple(sorted(activities, key=lambda one: (-one.cases, -one.events, one.activity))),
            tuple(sorted(edges, key=lambda edge: (-edge.timing.count, edge.before, edge.after))),
        )


def activity_of(event: Event) -> Activity:
    """What kind of event it is."""
    if event.type == SPAN_TYPE:
        return Activity(event.source, event.type, str(event.document.get("name", "")))
    return Activity(event.source, event.type)


def timing(taken: list[int]) -> Timing:
    """The times in figures. `taken` is not empty and is sorted in place."""
    taken.sort()
    return Timing(len(taken), int(statistics.median(taken)), percentile(taken, 90), percentile(taken, 95))


def percentile(ordered: Sequence[int], percent: float) -> int:
    """The least of the values, which are in order, that at least `percent` of 100 of them do not exceed."""
    rank = -int(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]
