"""Instances under a virtual clock."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.expectation import Expectation
from slo_rules.judgement import Reason, VerdictKind
from slo_rules.matching import Matcher
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.workflow import Source
from tests.strategies import START, definitions, make_event

DEFINITIONS = definitions()
WON = {"opportunity": "A-1"}
_numbers = count(1000)


def event(type_: str, at: int, source: str, data: dict[str, Any], received: int | None = None) -> Event:
    return make_event(type_, at, next(_numbers), source, data, received)


def rehearse(*events: Event) -> Rehearsal:
    return Rehearsal(Matcher(DEFINITIONS.workflows.values()), DEFINITIONS.sources.values(), events)


def only(rehearsal: Rehearsal, at: int) -> RehearsedInstance:
    rehearsal.proceed(START + at)
    (held,) = rehearsal.instances("orders")
    return held


def kind(rehearsal: Rehearsal, at: int) -> VerdictKind:
    return only(rehearsal, at).verdict.kind


def test_verdicts_change_as_time_passes() -> None:
    rehearsal = rehearse(event("won", 0, "crm", WON), event("noise", 3 * HOUR, "sap", {}))
    assert kind(rehearsal, 3 * HOUR - 1) is VerdictKind.ON_TRACK
    assert kind(rehearsal, 3 * HOUR) is VerdictKind.DUE_SOON
    assert kind(rehearsal, 4 * HOUR - 1) is VerdictKind.DUE_SOON
    assert kind(rehearsal, 4 * HOUR) is VerdictKind.STUCK


def test_an_event_counts_from_its_arrival_and_by_its_own_time() -> None:
    accepted = event("accepted", 2 * HOUR, "sap", WON | {"tax_code": "V1"}, received=6 * HOUR)
    rehearsal = rehearse(accepted, event("won", 0, "crm", WON), event("noise", 4 * HOUR, "sap", {}))
    assert kind(rehearsal, 5 * HOUR) is VerdictKind.STUCK
    assert only(rehearsal, 6 * HOUR).progress.milestones["accepted"].at == START + 2 * HOUR


def test_what_waits_for_a_silent_source_is_blind_until_that_is_heard_again() -> None:
    noises = [event("noise", at, "sap", {}) for at in (0, 7 * HOUR)]
    rehearsal = rehearse(event("won", 0, "crm", WON), *noises)
    assert only(rehearsal, 5 * HOUR).verdict.reason is Reason.SOURCE_SILENT
    assert kind(rehearsal, 7 * HOUR) is VerdictKind.STUCK


def test_what_waits_for_a_source_that_was_never_heard_is_blind_once_something_was_expected_of_it() -> None:
    rehearsal = rehearse(event("noise", 0, "crm", {}), event("won", 0, "crm", WON), event("noise", 9 * HOUR, "sap", {}))
    assert only(rehearsal, 5 * HOUR).verdict.reason is Reason.SOURCE_SILENT
    assert not rehearsal.marks["sap"].heard
    assert kind(rehearsal, 9 * HOUR) is VerdictKind.STUCK


def test_what_waits_for_a_type_that_does_not_come_is_blind_though_its_source_is_heard() -> None:
    source = Source("sap", expects=Expectation(2 * HOUR), types={"accepted": Expectation(6 * HOUR)})
    noises = [event("noise", n * HOUR, "sap", {}) for n in range(12)]
    accepted = event("accepted", HOUR, "sap", {"opportunity": "B-1"})
    again = event("accepted", 9 * HOUR, "sap", {"opportunity": "B-1"})
    rehearsal = Rehearsal(
        Matcher(DEFINITIONS.workflows.values()), [source], [event("won", 0, "crm", WON), accepted, again, *noises]
    )

    def said(at: int) -> Reason:
        rehearsal.proceed(START + at)
        (held,) = rehearsal.carrying("orders", "opportunity=A-1")
        return held.verdict.reason

    assert said(4 * HOUR) is Reason.OVERDUE
    assert said(7 * HOUR - 1) is Reason.OVERDUE
    assert said(7 * HOUR) is Reason.TYPE_SILENT
    assert said(9 * HOUR - 1) is Reason.TYPE_SILENT
    # It came after the deadline, and this one was not among it.
    assert said(9 * HOUR) is Reason.OVERDUE
    assert said(40 * HOUR) is Reason.OVERDUE


def test_a_source_that_sends_its_past_is_catching_up() -> None:
    noises = [event("noise", HOUR + n * MINUTE, "sap", {}, received=5 * HOUR + n * MINUTE) for n in range(3)]
    rehearsal = rehearse(event("noise", 0, "sap", {}), event("won", 0, "crm", WON), *noises)
    assert only(rehearsal, 5 * HOUR + 2 * MINUTE).verdict.reason is Reason.SOURCE_CATCHING_UP
    assert kind(rehearsal, 5 * HOUR + 4 * MINUTE) is VerdictKind.STUCK


def test_an_event_with_the_keys_of_two_instances_makes_them_one() -> None:
    rehearsal = rehearse(
        event("shipped", HOUR, "crm", {"order": "O-1"}),
        event("won", 0, "crm", WON, received=2 * HOUR),
        event("linked", 0, "crm", WON | {"order": "O-1"}, received=3 * HOUR),
        event("paid", 4 * HOUR, "crm", {"order": "O-1"}),
    )
    rehearsal.proceed(START + 2 * HOUR)
    assert len(rehearsal.instances("orders")) == 2
    held = only(rehearsal, 4 * HOUR)
    assert set(held.progress.milestones) == {"won", "shipped", "paid"}
    assert rehearsal.carrying("orders", "order=O-1") == rehearsal.carrying("orders", "opportunity=A-1") == [held]


def test_a_search_key_finds_many_and_joins_none() -> None:
    rehearsal = rehearse(*(event("won", 0, "crm", {"opportunity": name, "account": "A"}) for name in ("O-1", "O-2")))
    rehearsal.proceed(START)
    assert len(rehearsal.carrying("orders", "account=A")) == 2


def test_placeholders_join_nothing_and_what_cannot_be_used_is_named() -> None:
    nameless, unknown = event("won", 0, "crm", {"opportunity": "N/A"}), event("noise", 0, "crm", {})
    linked = event("linked", 0, "crm", {"order": "0"})
    rehearsal = rehearse(nameless, unknown, linked)
    rehearsal.proceed(START)
    assert rehearsal.instances("orders") == []
    assert rehearsal.without_key == [(nameless, "orders")]
    assert rehearsal.unmatched == [unknown]


def test_time_does_not_go_back() -> None:
    rehearsal = rehearse()
    rehearsal.proceed(START)
    rehearsal.proceed(START)
    with pytest.raises(ValueError, match="back in time"):
        rehearsal.proceed(START - 1)


def test_events_that_arrive_at_once_keep_their_order_and_repetitions_change_nothing() -> None:
    won = event("won", 0, "crm", WON)
    assert only(rehearse(won, won, won), 0).progress == only(rehearse(won), 0).progress
