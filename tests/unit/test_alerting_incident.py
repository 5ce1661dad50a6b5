from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alerting.incident import (
    Cause,
    ChangeReason,
    Incident,
    LastNotified,
    NotifyReason,
    Open,
    Policy,
    Population,
    Resolve,
    Status,
    Update,
    decide,
    should_notify,
)
from slo_rules.durations import MINUTE, SECOND
from tests.examples import examples

NOW = 1_700_000_000 * SECOND
STUCK = Cause("order-to-cash", "stuck", "order_accepted", "sap")
POLICY = Policy()


def people(count: int) -> Population:
    return Population(count=count, oldest_since=NOW, value=(("USD", Decimal(100 * count)),), samples=(UUID(int=1),))


def incident(count: int = 1, opened_at: int = NOW) -> Incident:
    return Incident(uuid4(), STUCK, people(count), opened_at, count, people(count).value, count)


class TestDecide:
    def test_a_new_cause_opens(self) -> None:
        assert decide({}, {STUCK: people(3)}, NOW, POLICY) == [Open(STUCK, people(3), ChangeReason.APPEARED)]

    def test_an_unchanged_population_changes_nothing(self) -> None:
        assert decide({STUCK: incident(3)}, {STUCK: people(3)}, NOW, POLICY) == []

    def test_the_peak_stays_when_the_population_shrinks(self) -> None:
        (change,) = decide({STUCK: incident(10)}, {STUCK: people(9)}, NOW, POLICY)
        assert isinstance(change, Update)
        assert (change.reason, change.note) == (ChangeReason.SHRANK, False)
        assert (change.after.peak_count, change.after.peak_value) == (10, people(10).value)

    def test_a_doubled_population_is_noted(self) -> None:
        (change,) = decide({STUCK: incident(10)}, {STUCK: people(20)}, NOW, POLICY)
        assert isinstance(change, Update)
        assert change.note
        assert (change.after.noted_count, change.after.peak_count) == (20, 20)

    def test_an_empty_population_resolves_at_once(self) -> None:
        for seen in ({}, {STUCK: people(0)}):
            (change,) = decide({STUCK: incident()}, seen, NOW, POLICY)
            assert isinstance(change, Resolve)
            assert change.reason is ChangeReason.CLEARED
            assert change.incident.status is Status.RESOLVED

    def test_instances_that_went_blind_are_not_said_to_be_well(self) -> None:
        blind = Cause(None, "blind", None, "sap")
        _, change = decide({STUCK: incident()}, {blind: people(1)}, NOW, POLICY, frozenset({UUID(int=1)}))
        assert isinstance(change, Resolve)
        assert change.reason is ChangeReason.SOURCE_BLIND

    def test_instances_that_were_waived_are_not_said_to_be_well(self) -> None:
        (change,) = decide({STUCK: incident()}, {}, NOW, POLICY, waived=frozenset({UUID(int=1)}))
        assert isinstance(change, Resolve)
        assert change.reason is ChangeReason.WAIVED
        (change,) = decide({STUCK: incident()}, {}, NOW, POLICY, waived=frozenset({UUID(int=77)}))
        assert change.reason is ChangeReason.CLEARED


class TestShouldNotify:
    def test_the_first_message_waits_for_the_group(self) -> None:
        early = NOW + POLICY.group_wait - 1
        assert should_notify(incident(), None, early, POLICY) is NotifyReason.GROUP_WAIT
        assert should_notify(incident(), None, early + 1, POLICY) is NotifyReason.FIRST

    @pytest.mark.parametrize(("first", "wait"), [(True, MINUTE), (False, 5 * MINUTE)])
    def test_growth_is_told_when_doubled_and_the_first_sooner_than_later_ones(self, *, first: bool, wait: int) -> None:
        last = LastNotified(Status.FIRING, 10, NOW, first=first)
        later = NOW + wait
        assert should_notify(incident(19), last, later, POLICY) is NotifyReason.NOT_GROWN
        assert should_notify(incident(20), last, later - 1, POLICY) is NotifyReason.TOO_SOON
        assert should_notify(incident(20), last, later, POLICY) is NotifyReason.GROWN

    def test_a_resolve_is_told_to_those_who_know_and_once(self) -> None:
        over = replace(incident(), resolved_at=NOW)
        assert should_notify(over, None, NOW, POLICY) is NotifyReason.NEVER_TOLD
        assert should_notify(over, LastNotified(Status.FIRING, 1, NOW), NOW, POLICY) is NotifyReason.RESOLVED
        assert should_notify(over, LastNotified(Status.RESOLVED, 1, NOW), NOW, POLICY) is NotifyReason.ALREADY_RESOLVED


def test_the_dedup_key_depends_on_the_cause_alone() -> None:
    assert STUCK.dedup_key == Cause("order-to-cash", "stuck", "order_accepted", "sap").dedup_key
    assert STUCK.dedup_key != Cause("order-to-cash", "stuck", "sap", "order_accepted").dedup_key
    assert len(STUCK.dedup_key) <= 64


class Life(RuleBasedStateMachine):
    """Populations come and go at random; one target listens."""

    causes = (STUCK, Cause(None, "blind", None, "sap"), Cause("order-to-cash", "failed", reason="failure_event"))

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.seen: dict[Cause, Population] = {}
        self.open: dict[Cause, Incident] = {}
        self.over: dict[UUID, Incident] = {}
        self.told: dict[UUID, LastNotified] = {}
        self.heard: dict[UUID, list[NotifyReason]] = {}

    @rule(cause=st.sampled_from(causes), count=st.integers(0, 50))
    def population_is(self, cause: Cause, count: int) -> None:
        self.seen[cause] = people(count)

    @rule(passed=st.integers(0, 10 * MINUTE))
    def time_passes(self, passed: int) -> None:
        self.now += passed

    @rule()
    def duty_runs(self) -> None:
        for change in decide(self.open, self.seen, self.now, POLICY):
            match change:
                case Open(cause=cause, population=population):
                    assert cause not in self.open
                    self.open[cause] = Incident(
                        uuid4(), cause, population, self.now, population.count, population.value, population.count
                    )
                case Update(after=after):
                    self.open[after.cause] = after
                case Resolve(incident=resolved):
                    del self.open[resolved.cause]
                    self.over[resolved.id] = resolved
        for each in [*self.open.values(), *self.over.values()]:
            reason = should_notify(each, self.told.get(each.id), self.now, POLICY)
            if reason.tells:
                self.told[each.id] = LastNotified(each.status, each.population.count, self.now)
                self.heard.setdefault(each.id, []).append(reason)

    @invariant()
    def messages_come_in_order(self) -> None:
        for id_, reasons in self.heard.items():
            assert reasons[0] is NotifyReason.FIRST
            assert reasons.count(NotifyReason.FIRST) == 1
            assert NotifyReason.RESOLVED not in reasons[:-1]
            assert (reasons[-1] is NotifyReason.RESOLVED) == (id_ in self.over)

    @invariant()
    def what_is_open_is_what_was_seen(self) -> None:
        assert all(each.population.count > 0 for each in self.open.values())

    def teardown(self) -> None:
        self.seen.clear()
        self.duty_runs()
        assert not self.open
        self.messages_come_in_order()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=examples(60), stateful_step_count=30)
