"""The stages of a process in the order in which most cases go through them, and what each of them comes after.

As in an instance, what counts is the first time that a case reaches a stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from slo_rules.discovery import Activity, Timing, Trace, percentile, timing

MOST_STAGES = 40
SURE = 0.9
"""The share of its cases in which a stage must have come after another for that to be what it waits for."""
LIKELY = 0.5
"""And the share that will do where no other stage reaches SURE."""

Traces = Callable[[], Iterable[Trace]]
Pair = tuple[Activity, Activity]


class Stage(msgspec.Struct, frozen=True):
    """One stage: reached in `cases` cases, first of the stages in `starts` and last in `ends` of them.

    `after` came before it in `agreeing` of its cases, and after it in `contrary`; None where no stage came before it in
    most of them. Of the cases that reached `after`, `following` (a share) went on to this one; that took `timing`, and
    `within` micros at most at the percentile asked for.
    """

    activity: Activity
    cases: int
    starts: int
    ends: int
    after: Activity | None = None
    agreeing: int = 0
    contrary: int = 0
    following: float = 0.0
    timing: Timing | None = None
    within: int | None = None


def stages(traces: Traces, kept: Collection[Activity], percent: float) -> list[Stage]:
    """The kept activities as stages, in order. `traces` gives all cases, each time it is called."""
    cases: Counter[Activity] = Counter()
    starts: Counter[Activity] = Counter()
    ends: Counter[Activity] = Counter()
    before: Counter[Pair] = Counter()
    for first, last in _journeys(traces, kept):
        path = list(first)
        cases.update(path)
        starts[path[0]] += 1
        ends[last] += 1
        before.update((one, other) for place, one in enumerate(path) for other in path[place + 1 :])
    order = _in_order(cases, before)
    former = {one: _after(one, order[:place], cases, before) for place, one in enumerate(order)}
    taken: dict[Activity, list[int]] = {one: [] for one in order}
    for first, _ in _journeys(traces, kept):
        reached = {one: number for number, one in enumerate(first)}
        for one, number in reached.items():
            waited = former[one]
            if waited is not None and reached.get(waited, number) < number:
                taken[one].append(first[one] - first[waited])
    return [
        _stage(
            Stage(one, cases[one], starts[one], ends[one], contrary=0 if waited is None else before[one, waited]),
            waited,
            cases,
            taken[one],
            percent,
        )
        for one, waited in former.items()
    ]


def _stage(stage: Stage, former: Activity | None, cases: Counter[Activity], taken: list[int], percent: float) -> Stage:
    if former is None:
        return stage
    return msgspec.structs.replace(
        stage,
        after=former,
        agreeing=len(taken),
        following=len(taken) / cases[former],
        timing=timing(taken),
        within=percentile(taken, percent),
    )


def _journeys(traces: Traces, kept: Collection[Activity]) -> Iterator[tuple[dict[Activity, int], Activity]]:
    """Of each case that has any: when it first reached each stage, in the order of reaching, and its last stage."""
    for steps in traces():
        first: dict[Activity, int] = {}
        last = None
        for step in steps:
            if step.activity in kept:
                first.setdefault(step.activity, step.at)
                last = step.activity
        if last is not None:
            yield first, last


def _in_order(cases: Counter[Activity], before: Counter[Pair]) -> list[Activity]:
    """Again and again the stage of which the fewest cases say that one of those left comes before it.

    Where most cases agree on an order, this is it; where they go in circles, it is the one that contradicts few.
    """
    left = set(cases)
    held_back = {
        one: {other: max(0, before[other, one] - before[one, other]) for other in left if other != one} for one in left
    }
    order: list[Activity] = []
    while left:
        chosen = min(
            left,
            key=lambda one: (
                sum(held_back[one][other] for other in left if other != one) / cases[one],
                -cases[one],
                one,
            ),
        )
        order.append(chosen)
        left.remove(chosen)
    return order


def _after(one: Activity, earlier: list[Activity], cases: Counter[Activity], before: Counter[Pair]) -> Activity | None:
    """The nearest stage that surely came before, else the one that most likely did."""
    agreeing = {other: before[other, one] / cases[one] for other in earlier}
    nearest = next((other for other in reversed(earlier) if agreeing[other] >= SURE), None)
    if nearest is not None:
        return nearest
    likeliest = max(reversed(earlier), key=agreeing.__getitem__, default=None)
    return likeliest if likeliest is not None and agreeing[likeliest] >= LIKELY else None
