"""The laws of the core: order, repetition and grouping of events change nothing."""

from __future__ import annotations

from functools import reduce

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.arithmetic import arithmetic
from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.contribution import Contributions, Counting, Counts, Place, add, contributions
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.expectation import Expectation
from slo_rules.explain import explain, journey
from slo_rules.joining import join
from slo_rules.judgement import FINAL, REASON_OF_FINAL, Reason, VerdictKind, Watermark
from slo_rules.judging import beneath, judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from tests.counting import plain, something
from tests.strategies import LATER, START, definitions, events, plain_definitions

DEFINITIONS = definitions()
WORKFLOW = DEFINITIONS.workflows["orders"]
OBJECTIVES = tuple(DEFINITIONS.objectives.values())
MATCHER = Matcher([WORKFLOW])
PLAIN = plain_definitions().workflows["orders"]
EVENTS = events(waived=True)
MARKS = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds(lambda r, o: Watermark(max(r, o), o, Expectation(2 * HOUR)), LATER, LATER)
        for name in ("crm", "sap")
    },
)


def made(event: Event) -> Progress | None:
    found = MATCHER.matches(event)
    return fold(None, found[0][1]) if found else None


def joined(history: list[Event]) -> Progress | None:
    parts = [part for event in history if (part := made(event)) is not None]
    return reduce(join, parts) if parts else None


def joined_plainly(history: list[Event]) -> Progress | None:
    """The same under definitions with nothing that is hard."""
    parts = [fold(None, match) for event in history for _, match in Matcher([PLAIN]).matches(event)]
    return reduce(join, parts) if parts else None


@given(EVENTS, EVENTS, EVENTS)
def test_join_is_associative_commutative_and_idempotent(a: list[Event], b: list[Event], c: list[Event]) -> None:
    x, y, z = joined(a), joined(b), joined(c)
    if x is None or y is None or z is None:
        return
    assert join(x, y) == join(y, x)
    assert join(join(x, y), z) == join(x, join(y, z))
    assert join(x, x) == x


@given(EVENTS, st.data())
def test_any_permutation_repetition_and_partition_gives_the_same(history: list[Event], draw: st.DataObject) -> None:
    whole = joined(history)
    again = draw.draw(st.permutations(history + history[: len(history) // 2]))
    assert joined(again) == whole
    cut = draw.draw(st.integers(0, len(again)))
    parts = [part for part in (joined(again[:cut]), joined(again[cut:])) if part is not None]
    assert (reduce(join, parts) if parts else None) == whole


@given(EVENTS)
def test_folding_an_event_in_is_joining_what_it_makes(history: list[Event]) -> None:
    progress: Progress | None = None
    for event in history:
        for _found, match in MATCHER.matches(event):
            alone = fold(None, match)
            wanted = alone if progress is None else join(progress, alone)
            progress = fold(progress, match)
            assert progress == wanted
    assert progress == joined(history)


@given(EVENTS, st.data(), LATER, MARKS)
def test_verdict_and_contributions_do_not_depend_on_order(
    history: list[Event], draw: st.DataObject, now: int, marks: dict[str, Watermark]
) -> None:
    a, b = joined(history), joined(draw.draw(st.permutations(history)))
    if a is None or b is None:
        return
    assert judge(a, WORKFLOW, marks, now) == judge(b, WORKFLOW, marks, now)
    assert contributions(a, WORKFLOW, OBJECTIVES) == contributions(b, WORKFLOW, OBJECTIVES)


@given(EVENTS, LATER, MARKS)
def test_a_verdict_holds_until_its_next_check(history: list[Event], now: int, marks: dict[str, Watermark]) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict = judge(progress, WORKFLOW, marks, now)
    assert verdict.next_check_at is None or verdict.next_check_at > now
    end = verdict.next_check_at if verdict.next_check_at is not None else START + 10**14
    for later in (now, (now + end) // 2, end - 1):
        if later >= now:
            assert judge(progress, WORKFLOW, marks, later).kind is verdict.kind
    if verdict.kind in FINAL:
        assert verdict.next_check_at is None
    if verdict.kind is VerdictKind.WAIVED:
        assert progress.waiver is not None
        assert now < progress.waiver.until
        assert verdict.next_check_at is not None
    if verdict.kind is VerdictKind.STUCK:
        assert verdict.deadline_at is not None
        assert verdict.since == verdict.deadline_at <= now


def good_and_not(found: Contributions) -> Contributions:
    """What is good and cancelled, and what is bad or waived together; the steps depend on which of both it is."""
    return something({place: (a[0], a[1] + a[2], 0, a[3], 0) for place, a in found.items()})


@given(EVENTS, LATER, MARKS)
def test_every_verdict_can_be_explained(history: list[Event], now: int, marks: dict[str, Watermark]) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict = judge(progress, WORKFLOW, marks, now)
    assert explain(progress, WORKFLOW, verdict, marks, now).endswith(".")
    arithmetic(progress, WORKFLOW, verdict, now)
    assert [step.milestone for step in journey(progress, WORKFLOW, now)] == list(WORKFLOW.milestones)


@given(EVENTS, LATER, MARKS)
def test_what_has_finished_awaits_nothing_and_says_its_reason_by_its_verdict(
    history: list[Event], now: int, marks: dict[str, Watermark]
) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict = judge(progress, WORKFLOW, marks, now)
    if verdict.kind in FINAL:
        awaited = (verdict.waiting_for, verdict.source, verdict.due_at, verdict.deadline_at, verdict.next_check_at)
        assert awaited == (None,) * 5
    assert (verdict.reason in REASON_OF_FINAL.values()) == (verdict.kind in FINAL)
    assert REASON_OF_FINAL.get(verdict.kind, verdict.reason) == verdict.reason


@given(EVENTS, LATER, MARKS)
def test_a_waiver_hides_no_more_than_the_verdict(history: list[Event], now: int, marks: dict[str, Watermark]) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict, without = judge(progress, WORKFLOW, marks, now), beneath(progress, WORKFLOW, marks, now)
    waived = contributions(progress, WORKFLOW, OBJECTIVES)
    plainly = contributions(msgspec.structs.replace(progress, waiver=None), WORKFLOW, OBJECTIVES)
    assert good_and_not(waived) == good_and_not(plainly)
    if verdict.kind is not VerdictKind.WAIVED:
        assert verdict == without
        return
    assert without.kind not in FINAL
    kept = ("waiting_for", "source", "owner", "due_at", "deadline_at", "faults")
    assert [getattr(verdict, name) for name in kept] == [getattr(without, name) for name in kept]


BEFORE = {"accepted": ("won",), "shipped": ("accepted", "won"), "paid": ("accepted", "won")}
"""What comes before each milestone, the nearest first."""
SKEW = {"won": 5, "accepted": 20, "shipped": 5, "paid": 5}
"""By how many minutes the clocks may be off; only sap says so itself."""


def times(history: list[Event], type_: str) -> list[int]:
    return [event.occurred_at for event in history if event.type == type_ and made(event) is not None]


def contradicted(history: list[Event]) -> bool:
    """The rule spelled out over the events: some milestone never came after the nearest before it that came."""
    for type_, before in BEFORE.items():
        came = times(history, type_)
        nearest = next((name for name in before if times(history, name)), None)
        if came and nearest and min(times(history, nearest)) - max(came) > (SKEW[type_] + SKEW[nearest]) * MINUTE:
            return True
    return False


@given(events(6), LATER, MARKS)
def test_a_milestone_that_never_came_after_what_it_follows_is_told(
    history: list[Event], now: int, marks: dict[str, Watermark]
) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict = judge(progress, WORKFLOW, marks, now)
    told = verdict.reason is Reason.IMPOSSIBLE_ORDER
    before = (VerdictKind.CANCELLED, VerdictKind.FAILED)
    if verdict.kind not in before and verdict.reason is not Reason.REQUIREMENT_UNMET:
        of_parts = any(one.part for found in progress.occurrences.values() for one in found)
        assert told == contradicted(history) or (told and of_parts)
    if told:
        assert verdict.faults
        assert not (verdict.next_check_at or verdict.deadline_at)


# The log keeps one event of an id. Of two that say otherwise one counts, and which is no matter of orphans.
@given(events(honest=True), LATER, MARKS)
def test_orphans_are_those_that_went_on_without_a_start(
    history: list[Event], now: int, marks: dict[str, Watermark]
) -> None:
    progress = joined(history)
    if progress is None:
        return
    verdict = judge(progress, WORKFLOW, marks, now)
    went_on = any(not WORKFLOW.by_name[name].each for name in progress.milestones)
    went_on |= any(one.part for found in progress.occurrences.values() for one in found)
    orphaned = went_on and not times(history, "won")
    if verdict.reason in (Reason.AWAITING_START, Reason.ORPHAN):
        assert orphaned
        assert verdict.waiting_for == "won"
        assert (now >= progress.first_at + HOUR) == (verdict.reason is Reason.ORPHAN)
    elif orphaned and now < progress.first_at + HOUR:
        assert verdict.kind not in (VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE, VerdictKind.ON_TRACK)
    elif orphaned:
        kinds = (VerdictKind.CANCELLED, VerdictKind.FAILED, VerdictKind.BLIND, VerdictKind.INCONSISTENT)
        assert verdict.kind in kinds


@given(EVENTS, EVENTS)
def test_contributions_can_be_taken_away_again(a: list[Event], b: list[Event]) -> None:
    x = joined(a)
    y = joined(a + b)
    old: Contributions = contributions(x, WORKFLOW, OBJECTIVES) if x else {}
    new: Contributions = contributions(y, WORKFLOW, OBJECTIVES) if y else {}
    total: Contributions = {}
    for found, sign in ((old, 1), (new, 1), (old, -1)):
        add(total, found, sign)
    assert something(total) == something(new)


@given(EVENTS, EVENTS)
def test_a_difference_is_what_counting_both_gives(a: list[Event], b: list[Event]) -> None:
    for workflow, join_all in ((WORKFLOW, joined), (PLAIN, joined_plainly)):
        before, after = join_all(a), join_all(a + b)
        if before is None or after is None:
            continue
        wanted = contributions(after, workflow, OBJECTIVES)
        add(wanted, contributions(before, workflow, OBJECTIVES), -1)
        counting, total = Counting(workflow, OBJECTIVES), dict[Place, Counts]()
        counting.add_difference(total, before, after)
        assert something(total) == something(wanted)
        counting.add(total, before, 1)
        counting.add(total, after, -1)
        assert something(total) == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=6), st.integers(0, 60))
def test_stale_slices_equal_counting_them_one_by_one(intervals: list[tuple[int, int]], until: int) -> None:
    steps: dict[int, int] = {}
    for start, length in intervals:
        steps[start * BUCKET] = steps.get(start * BUCKET, 0) + 1
        steps[(start + length) * BUCKET] = steps.get((start + length) * BUCKET, 0) - 1
    by_hand = sum(any(start <= number < start + length for start, length in intervals) for number in range(until))
    assert Staleness(sorted(steps.items())).before(until * BUCKET) == by_hand


SUCCESS = DEFINITIONS.objectives["ended-well"]


@given(EVENTS)
def test_an_instance_counts_once_it_has_ended_and_where(history: list[Event]) -> None:
    progress = joined(history)
    if progress is None:
        return
    progress = msgspec.structs.replace(progress, waiver=None)
    found = plain(contributions(progress, WORKFLOW, (SUCCESS,)))
    mine = {bucket: counts for (name, bucket), counts in found.items() if name == SUCCESS.name}
    verdict = beneath(progress, WORKFLOW, {}, progress.last_at)
    ended = verdict.kind in FINAL or verdict.kind in (VerdictKind.FAILED, VerdictKind.INCONSISTENT)
    if not ended or verdict.reason is Reason.ORPHAN:
        assert mine == {}
    else:
        good = verdict.kind in (VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE)
        assert mine == {verdict.since - verdict.since % BUCKET: (int(good), int(not good), 0)}
    neutral = msgspec.structs.replace(SUCCESS, cancelled_is_bad=False)
    if verdict.kind is VerdictKind.CANCELLED:
        assert not [place for place in plain(contributions(progress, WORKFLOW, (neutral,))) if place[0] == neutral.name]
    # What is known of sources, and when it is asked, has no part in it.
    assert beneath(progress, WORKFLOW, {}, progress.last_at + 1000 * HOUR).kind is verdict.kind or not ended
