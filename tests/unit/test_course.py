"""The course of an instance: at any instant what a judge would say who knew the sources of then."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.course import Turn, course, spans, within
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.hearing import expected, heard
from slo_rules.judgement import Reason, VerdictKind
from slo_rules.judging import judge
from slo_rules.match import Match
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.silences import Silences
from slo_rules.workflow import Definitions
from tests.examples import examples
from tests.strategies import START, definitions, events, expecting, make_event

KNOWN = definitions()
END = START + 100 * HOUR
_numbers = count(1)


def event(type_: str, at: int, source: str, **said: Any) -> Event:
    return make_event(type_, at, next(_numbers), source, {"order": "1", "tax_code": "V1"} | said)


def silences(known: Definitions, history: list[Event]) -> Silences:
    ordered = sorted(history, key=lambda one: one.occurred_at)
    began_at = ordered[0].occurred_at if ordered else 0
    return Silences(known.sources.values(), [(one.source, one.type, one.occurred_at) for one in ordered], began_at)


def matches(known: Definitions, history: list[Event]) -> list[Match]:
    """Whatever these events say to the orders, as if all were of one."""
    matcher = Matcher(known.workflows.values())
    return [match for one in history for _, match in matcher.matches(one)]


def turns(*history: Event, until: int = END) -> list[Turn]:
    return course(matches(KNOWN, [*history]), KNOWN.workflows["orders"], silences(KNOWN, [*history]), until)


def told(found: list[Turn]) -> list[tuple[int, VerdictKind]]:
    return [(turn.at - START, turn.kind) for turn in found]


def test_verdicts_come_when_they_would_have_come() -> None:
    noises = [event("noise", n * HOUR, "sap") for n in range(100)]
    found = turns(*noises, event("won", 0, "crm"), event("accepted", 5 * HOUR, "sap"))
    assert told(found) == [
        (0, VerdictKind.ON_TRACK),
        (3 * HOUR, VerdictKind.DUE_SOON),
        (4 * HOUR, VerdictKind.STUCK),
        (5 * HOUR, VerdictKind.ON_TRACK),
        (6 * HOUR, VerdictKind.STUCK),
    ]
    assert (found[2].reason, found[2].waiting_for) == (Reason.OVERDUE, "accepted")
    assert list(spans(found, VerdictKind.STUCK, END)) == [
        (START + 4 * HOUR, START + 5 * HOUR),
        (START + 6 * HOUR, END),
    ]


def test_the_order_in_which_events_are_told_does_not_matter() -> None:
    history = [event("won", 0, "crm"), event("accepted", 5 * HOUR, "sap"), event("shipped", 5 * HOUR, "crm")]
    assert turns(*history) == turns(*history[::-1])


def test_what_comes_at_the_very_instant_of_its_deadline_is_in_time() -> None:
    found = turns(event("won", 0, "crm"), event("accepted", 4 * HOUR, "sap"))
    assert (4 * HOUR, VerdictKind.ON_TRACK) in told(found)
    assert VerdictKind.STUCK not in {turn.kind for turn in found if turn.at <= START + 4 * HOUR}


def test_what_waits_for_a_silent_source_is_blind_until_that_is_heard() -> None:
    found = turns(event("noise", 0, "sap"), event("won", 0, "crm"), event("noise", 7 * HOUR, "sap"))
    assert told(found)[2:] == [(4 * HOUR, VerdictKind.BLIND), (7 * HOUR, VerdictKind.STUCK)]


def test_a_silence_may_be_short() -> None:
    noises = [event("noise", at, "sap") for at in (105 * MINUTE, 4 * HOUR, 241 * MINUTE)]
    found = turns(event("won", -MINUTE, "crm"), *noises[::2], until=START + 5 * HOUR)
    assert told(found)[2:] == [(239 * MINUTE, VerdictKind.BLIND), (241 * MINUTE, VerdictKind.STUCK)]
    found = turns(event("won", -MINUTE, "crm"), *noises, until=START + 5 * HOUR)
    assert told(found)[2:] == [(239 * MINUTE, VerdictKind.BLIND), (4 * HOUR, VerdictKind.STUCK)]
    found = turns(event("won", 0, "crm"), *noises, until=START + 5 * HOUR)
    assert told(found)[2:] == [(4 * HOUR, VerdictKind.STUCK)]


def test_what_people_say_is_no_beginning() -> None:
    assert turns(event("noise", 0, "crm")) == []
    assert course([], KNOWN.workflows["orders"], silences(KNOWN, []), END) == []


def test_what_holds_at_the_beginning_of_a_time_comes_first_in_it() -> None:
    found = turns(event("won", 0, "crm"), *[event("noise", n * HOUR, "sap") for n in range(9)], until=START + 8 * HOUR)
    assert told(within(found, START + 200 * MINUTE)) == [
        (200 * MINUTE, VerdictKind.DUE_SOON),
        (4 * HOUR, VerdictKind.STUCK),
    ]
    assert within(found, START - 1) == found
    assert within([], START) == []


@settings(max_examples=examples(150))
@given(expecting(), events(waived=True), st.lists(st.integers(-3, 140).map(lambda n: n * 15 * MINUTE), max_size=8))
def test_at_any_instant_it_is_what_the_judge_says(known: Definitions, history: list[Event], asked: list[int]) -> None:
    workflow, said = known.workflows["orders"], matches(known, history)
    found = course(said, workflow, silences(known, history), END)
    assert [turn.at for turn in found] == sorted({turn.at for turn in found})
    for instant in [*(START + at for at in asked), *(turn.at for turn in found), *(turn.at - 1 for turn in found)]:
        so_far = sorted((match for match in said if match.at <= instant), key=lambda match: (match.at, match.key))
        held = [turn.kind for turn in found if turn.at <= instant][-1:]
        if all(match.more.acts for match in so_far):
            assert held == []
            continue
        progress = None
        for match in so_far:
            progress = fold(progress, match)
        arrived = sorted((one for one in history if one.occurred_at <= instant), key=lambda one: one.occurred_at)
        marks = expected(known.sources.values(), min(one.occurred_at for one in history))
        for one in arrived:
            marks[one.source] = heard(marks.get(one.source), one.type, one.occurred_at, one.occurred_at)
        assert progress is not None
        assert held == [judge(progress, workflow, marks, instant).kind]
