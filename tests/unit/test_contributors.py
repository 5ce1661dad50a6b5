"""Which items count in a span of time, against what is reckoned of the same instances' buckets."""

from __future__ import annotations

from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS, Contributions, add, contributions
from slo_rules.contributors import ItemCounting, LeftOut, items_of, promise_of, stale
from slo_rules.durations import HOUR, MINUTE
from slo_rules.exclusions import Exclusion
from slo_rules.item import Item, Outcome
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.objective import ALL, MissingData, Objective
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.reckoning import Asked, spans_of
from slo_rules.tallying import Tally
from tests.strategies import START, definitions, events

DEFINITIONS = definitions()
WORKFLOW = DEFINITIONS.workflows["orders"]
OBJECTIVES = (*(one for one in DEFINITIONS.objectives.values() if one.volume is None), promise_of(WORKFLOW))
"""Volume has no items: its slices are held against a database."""
FIRST = START - START % BUCKET
histories = st.lists(events(8, waived=True), max_size=4)
marks = st.integers(-6, 60).map(lambda n: FIRST + n * 15 * MINUTE)


def exclusion(since: int, quarters: int) -> Exclusion:
    return Exclusion("maintenance", since, quarters * 15 * MINUTE)


variants = st.fixed_dictionaries(
    {
        "exclude": st.lists(st.builds(exclusion, marks, st.integers(1, 20)), max_size=2).map(tuple),
        "missing_data": st.sampled_from(MissingData),
        "group_by": st.sampled_from([(), ("region",)]),
        "by_value": st.booleans(),
    }
)


def progresses(history: list[list]) -> list[Progress]:
    """One instance for each list of events, whatever their keys."""
    matcher, found = Matcher([WORKFLOW]), []
    for events_ in history:
        parts = [fold(None, match) for event in events_ for _, match in matcher.matches(event)]
        if parts:
            found.append(reduce(join, parts))
    return found


@given(histories, st.sampled_from(OBJECTIVES), variants, marks, marks, st.one_of(st.none(), marks))
def test_what_is_listed_is_what_is_counted(
    history: list[list], objective: Objective, variant: dict, a: int, b: int, unknown_since: int | None
) -> None:
    promise = objective.kind == "promise"
    if not promise:
        objective = msgspec.structs.replace(objective, **variant)
    asked = Asked(objective, min(a, b), max(a, b), ALL, None if promise else unknown_since)
    found = progresses(history)
    total: Contributions = {}
    for progress in found:
        add(total, contributions(progress, WORKFLOW, () if promise else (objective,)), 1)
    reckoned = Tally(total).reckon(asked)[ITEMS]
    counting = ItemCounting(asked)
    listed = [
        (item, counted)
        for progress in found
        for item in items_of(objective, progress, WORKFLOW)
        if (counted := counting.of(item)) is not None
    ]
    if objective.kind == "freshness":
        spans = spans_of(asked)
        kinds = {
            at: kind for kind, of_kind in enumerate(spans) for begin, end in of_kind for at in range(begin, end, BUCKET)
        }
        slices = {at for item, _ in listed for at in kinds if stale(item)[0] <= at < stale(item)[1]}
        bad = {0} | ({2} if objective.missing_data is MissingData.BAD else set())
        assert sum(kinds[at] in bad for at in slices) == reckoned.bad
        return
    count = {outcome: sum(item.stands_for for item, counted in listed if counted.as_ is outcome) for outcome in Outcome}
    assert count == {
        Outcome.GOOD: reckoned.good,
        Outcome.BAD: reckoned.bad,
        Outcome.WAIVED: reckoned.waived,
        Outcome.CANCELLED: reckoned.cancelled,
    }
    judged = [(item, counted) for item, counted in listed if item.outcome in (Outcome.GOOD, Outcome.BAD)]
    assert sum(item.stands_for for item, one in judged if one.left_out is LeftOut.EXCLUDED) == reckoned.excluded


@pytest.mark.parametrize(
    ("policy", "as_", "left_out"),
    [
        (MissingData.BAD, Outcome.BAD, None),
        (MissingData.GOOD, Outcome.GOOD, None),
        (MissingData.EXCLUDE, None, LeftOut.MISSING),
        (MissingData.ALERT, None, LeftOut.MISSING),
    ],
)
def test_what_fell_due_while_nothing_was_known_counts_as_the_objective_says(
    policy: MissingData, as_: Outcome | None, left_out: LeftOut | None
) -> None:
    objective = msgspec.structs.replace(OBJECTIVES[0], missing_data=policy)
    counting = ItemCounting(Asked(objective, FIRST, FIRST + HOUR, ALL, FIRST + 30 * MINUTE))
    counted = counting.of(Item(objective, FIRST + 45 * MINUTE, None, Outcome.BAD))
    assert counted is not None
    assert (counted.as_, counted.left_out) == (as_, left_out)
    waived = counting.of(Item(objective, FIRST + 45 * MINUTE, None, Outcome.WAIVED))
    assert waived is not None
    assert waived.as_ is Outcome.WAIVED


def test_what_is_due_at_the_end_is_of_the_time_after() -> None:
    objective = OBJECTIVES[0]
    counting = ItemCounting(Asked(objective, FIRST, FIRST + HOUR))
    assert counting.of(Item(objective, FIRST, None, Outcome.BAD)) is not None
    assert counting.of(Item(objective, FIRST + HOUR - 1, None, Outcome.BAD)) is not None
    assert counting.of(Item(objective, FIRST + HOUR, None, Outcome.BAD)) is None
    assert counting.of(Item(objective, FIRST - 1, None, Outcome.BAD)) is None
