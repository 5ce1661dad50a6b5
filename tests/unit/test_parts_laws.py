"""Laws of the parts of an instance: in any order, and as counting by hand says."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.arithmetic import arithmetic
from slo_rules.contribution import contributions
from slo_rules.durations import HOUR
from slo_rules.event import Event
from slo_rules.explain import StepState, explain, journey
from slo_rules.joining import join
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.standing import standing
from slo_rules.workflow import Workflow
from tests.strategies import START
from tests.unit.fix_parts import ALL, ORDER, event_of, objectives, told

HISTORY = st.lists(
    st.builds(
        event_of,
        st.integers(0, 7),
        st.sampled_from(
            ["ordered", "shipped", "delivered", "billed", "closed", "named", "relabelled", "damaged", "held",
             "called_off", "thanked", "returned", "paid", "archived"]
        ),
        st.integers(0, 30),
        st.sampled_from([None, "A", "B", "C", "D", "N/A"]),
        parcels=st.sampled_from([None, 1, 2, 3]),
        weight=st.sampled_from([None, 5, 6]),
        new=st.sampled_from(["A", "B", "C"]),
        invoice=st.sampled_from(["I", "J", ""]),
    ),
    max_size=14,
)  # fmt: skip


def joined(flow: Workflow, history: list[Event]) -> Progress | None:
    found = [fold(None, match) for event in history for _, match in Matcher([flow]).matches(event)]
    return reduce(join, found) if found else None


@given(st.sampled_from(ALL), HISTORY, st.data(), st.integers(0, 60))
def test_neither_order_nor_repetition_nor_grouping_matters(
    flow: Workflow, history: list[Event], draw: st.DataObject, hours: int
) -> None:
    whole = joined(flow, history)
    again = draw.draw(st.permutations(history + history[: len(history) // 2]))
    cut = draw.draw(st.integers(0, len(again)))
    made = [part for part in (joined(flow, again[:cut]), joined(flow, again[cut:])) if part is not None]
    assert (reduce(join, made) if made else None) == whole
    folded: Progress | None = None
    for event in again:
        for _, match in Matcher([flow]).matches(event):
            folded = fold(folded, match)
    assert folded == whole
    if whole is None:
        return
    now = START + hours * HOUR
    found = judge(whole, flow, {}, now)
    assert explain(whole, flow, found, {}, now).endswith(".")
    arithmetic(whole, flow, found, now)
    steps = journey(whole, flow, now)
    assert [one.milestone for one in steps] == list(flow.milestones)
    assert found.next_check_at is None or found.next_check_at > now
    end = found.next_check_at or START + 1000 * HOUR
    for later in (now, (now + end) // 2, end - 1):
        assert later < now or judge(whole, flow, {}, later).kind is found.kind
    view = standing(whole, flow)
    assert standing(view, flow) == view
    for one in steps:
        assert (one.milestone.name in view.milestones) is (one.state in (StepState.REACHED, StepState.REACHED_LATE))
        assert one.occurred <= one.needed or not one.milestone.each
    assert all(min(counts[:2]) >= 0 for counts in contributions(whole, flow, objectives()).values())


# By hand: what comes after what, and what only comes after it.
BELOW = {
    "ordered": {"shipped", "delivered", "billed", "closed"},
    "shipped": {"delivered", "billed", "closed"},
    "delivered": {"closed"},
    "billed": {"closed"},
    "closed": set[str](),
}
AFTER = {"shipped": ["ordered"], "delivered": ["shipped"], "billed": ["shipped"], "closed": ["delivered", "billed"]}
WITHIN = {"shipped": 10, "delivered": 24, "billed": 5, "closed": 1}
EACH = ("shipped", "delivered")
STORY = st.lists(
    st.tuples(
        st.sampled_from(["ordered", "shipped", "shipped", "delivered", "delivered", "billed", "closed", "named"]),
        st.integers(0, 20),
        st.sampled_from([None, "A", "B", "C"]),
    ),
    min_size=1,
    max_size=10,
)


def by_hand(story: list[tuple[str, int, str | None]], expected: int) -> dict[tuple[str, str | None], int | None]:
    """What is awaited of which part, and when it is due, by going through all events for every question."""
    known = {part for _, _, part in story if part}

    def times(name: str, part: str | None) -> list[int]:
        return [
            at for type_, at, of in story if type_ == name and (name not in EACH or (part is not None and of == part))
        ]

    def first(name: str, part: str | None) -> int | None:
        """Of a part, or (part None) of an instance that has no parts."""
        own = times(name, part)
        return min(own) if own else min((at for low in BELOW[name] for at in times(low, part)), default=None)

    def of_all(name: str) -> int | None:
        if name not in EACH:
            own = times(name, None)
            below = [at for low in BELOW[name] if (at := of_all(low)) is not None]
            return min(own) if own else min(below, default=None)
        each = [first(name, part) for part in known]
        if len(known) < expected or None in each or not any(times(name, part) for part in known):
            return min((at for low in BELOW[name] if (at := of_all(low)) is not None), default=None)
        return max(at for at in each if at is not None)

    found: dict[tuple[str, str | None], int | None] = {}
    askers: list[str | None] = [*known, *([None] if len(known) < expected else [])]
    for name, befores in AFTER.items():
        for part in askers if name in EACH else [None]:
            reached = first(name, part) if name in EACH else of_all(name)
            starts = [first(one, part) if name in EACH else of_all(one) for one in befores]
            if reached is None and None not in starts:
                found[name, part] = max(at for at in starts if at is not None) + WITHIN[name]
    return found


@given(STORY, st.integers(1, 4))
def test_what_is_awaited_of_whom_is_what_counting_by_hand_says(
    story: list[tuple[str, int, str | None]], expected: int
) -> None:
    progress = told(ORDER, *story, parcels=expected)
    found = {
        (wait.milestone.name, wait.part): None if wait.deadline_at is None else (wait.deadline_at - START) // HOUR
        for wait in waits(standing(progress, ORDER), ORDER)
    }
    assert found == by_hand(story, expected)
