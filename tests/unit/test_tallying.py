"""What objectives come to from buckets in memory, held against counting one by one."""

from __future__ import annotations

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.event import Event
from slo_rules.matching import Matcher
from slo_rules.reckoning import Asked
from slo_rules.rehearsal import Rehearsal
from tests.examples import examples
from tests.reckoning import KNOWN, busy, questions, reckon_one_by_one
from tests.strategies import START, arrivals

MATCHER = Matcher(KNOWN.workflows.values())


@settings(max_examples=examples(150))
@given(st.one_of(busy(), busy(), arrivals(16)), st.lists(questions(), min_size=3, max_size=3))
def test_the_sums_are_what_is_counted_one_by_one(history: list[Event], asked: list[list[Asked]]) -> None:
    rehearsal = Rehearsal(MATCHER, KNOWN.sources.values(), history)
    rehearsal.proceed(history[-1].received_at if history else START)
    tally = rehearsal.tally(KNOWN.objectives.values())
    world = [(held.progress, held.workflow) for held in rehearsal.instances("orders")]
    for question in chain.from_iterable(asked):
        assert tally.reckon(question) == reckon_one_by_one(question, world, history)
