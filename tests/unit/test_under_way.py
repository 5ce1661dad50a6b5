"""Events heard together by an instance on track: the same as one by one, wherever they may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.judgement import Verdict, VerdictKind
from slo_rules.judging import judge
from slo_rules.match import Match
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.under_way import hear_on_track
from tests.strategies import definitions, events, make_event, plain_definitions

PLAIN = plain_definitions().workflows["orders"]
MATCHER = Matcher([PLAIN])


def matched(history: list[Event]) -> list[tuple[int, Match]]:
    return [(event.received_at, match) for event in history for _, match in MATCHER.matches(event)]


def one_by_one(heard: list[tuple[int, Match]]) -> tuple[Progress, list[Verdict]]:
    """What is known in the end, and every verdict there was before the last event was heard."""
    progress: Progress | None = None
    verdicts: list[Verdict] = []
    for received_at, match in heard:
        while progress is not None and (check_at := verdicts[-1].next_check_at) is not None and check_at <= received_at:
            verdicts.append(judge(progress, PLAIN, {}, check_at))
        progress = fold(progress, match)
        verdicts.append(judge(progress, PLAIN, {}, received_at))
    assert progress is not None
    return progress, verdicts[:-1]


def together(heard: list[tuple[int, Match]]) -> Progress | None:
    progress = fold(None, heard[0][1])
    verdict = judge(progress, PLAIN, {}, heard[0][0])
    if verdict.kind is not VerdictKind.ON_TRACK:
        return None
    return hear_on_track(progress, PLAIN, verdict.next_check_at, heard[1:])


def journey(*steps: tuple[str, int]) -> list[tuple[int, Match]]:
    made = [make_event(type_, at, at, "crm", {"order": "1", "region": "EMEA"}) for type_, at in steps]
    return matched(made)


@given(events(12), st.lists(st.sampled_from([0, 0, HOUR, 5 * HOUR]), min_size=12, max_size=12))
def test_together_is_as_one_by_one_and_all_the_while_on_track(history: list[Event], delays: list[int]) -> None:
    # Also as a clock that was set back would have it.
    heard = [(at + delay, match) for (at, match), delay in zip(matched(history), delays, strict=False)]
    if len(heard) < 2:
        return
    found = together(heard)
    if found is None:
        return
    progress, verdicts = one_by_one(heard)
    assert found == progress
    assert {verdict.kind for verdict in verdicts} == {VerdictKind.ON_TRACK}


def test_an_order_in_time_is_heard_together_up_to_its_end() -> None:
    steps = (("won", 0), ("accepted", HOUR), ("shipped", 90 * MINUTE), ("delivered", 3 * HOUR), ("signed", 4 * HOUR))
    heard = journey(*steps, ("paid", 5 * HOUR))
    found = together(heard)
    assert found is not None
    assert found == one_by_one(heard)[0]
    assert set(found.milestones) == {"won", "accepted", "shipped", "delivered", "signed", "paid"}


def test_what_may_have_been_late_is_heard_one_by_one() -> None:
    assert together(journey(("won", 0), ("accepted", 5 * HOUR), ("shipped", 6 * HOUR))) is None
    assert together(journey(("won", 0), ("accepted", 4 * HOUR), ("shipped", 4 * HOUR + 1))) is None
    assert together(journey(("won", 0), ("accepted", 4 * HOUR - 1), ("shipped", 4 * HOUR))) is not None


def test_what_is_overdue_as_soon_as_it_is_heard_of_is_heard_one_by_one() -> None:
    (won_at, won), (_, accepted), (shipped_at, shipped) = journey(("won", 0), ("accepted", HOUR), ("shipped", 5 * HOUR))
    assert together([(won_at, won), (won_at + 2 * HOUR - 1, accepted), (shipped_at, shipped)]) is None
    # Shipping was due an hour after it was accepted: when that is heard of, the hour has gone by.
    assert together([(won_at, won), (won_at + 2 * HOUR, accepted), (won_at + 2 * HOUR + 1, shipped)]) is None
    assert together([(won_at, won), (won_at + 2 * HOUR, accepted), (won_at + 2 * HOUR - 1, shipped)]) is None
    assert together([(won_at, won), (won_at + 2 * HOUR - 2, accepted), (won_at + 2 * HOUR - 1, shipped)]) is not None


def test_what_ends_or_stops_or_comes_in_an_impossible_order_is_heard_one_by_one() -> None:
    assert together(journey(("won", 0), ("paid", HOUR), ("accepted", 2 * HOUR))) is None
    assert together(journey(("won", 0), ("paused", HOUR), ("accepted", 2 * HOUR))) is None
    assert together(journey(("won", 0), ("cancelled", HOUR), ("accepted", 2 * HOUR))) is None
    late_start = [*journey(("accepted", 0)), *journey(("won", HOUR)), *journey(("shipped", HOUR + MINUTE))]
    assert together(late_start) is None


def test_where_more_than_milestones_decides_all_is_heard_one_by_one() -> None:
    workflow = definitions().workflows["orders"]
    event = make_event("won", 0, 1, "crm", {"order": "1"})
    [(_, match)] = Matcher([workflow]).matches(event)
    assert hear_on_track(fold(None, match), workflow, None, [(event.received_at, match)]) is None


def test_what_changes_nothing_leaves_the_very_same_parts() -> None:
    heard = journey(("won", 0), ("accepted", HOUR))
    progress = one_by_one(heard)[0]
    again = hear_on_track(progress, PLAIN, None, [heard[0]])
    assert again is not None
    assert again.keys is progress.keys
    assert again.occurrences is progress.occurrences
